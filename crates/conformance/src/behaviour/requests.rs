//! Requests: how they come, how they are signed, and how those are refused that are not.

use cloudstack::signature::Encoding;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::{NOBODY, refusal};
use crate::door::{Way, call, pairs, signed, signed_by};
use crate::finding::{Verdict, hold, text};
use crate::stage::Stage;

behaviours! { "requests":
    get_is_answered "A signed GET is answered with JSON under the command's name in lower case, followed by `response`",
        Recorded("listZones"), [];
    post_is_answered "A signed form in a POST's body is answered like a GET",
        Recorded("POST of a form"), [];
    post_with_address "A POST may have all its parameters in the address",
        Recorded("POST of a form"), [];
    other_methods "PUT and DELETE are refused with 405",
        Recorded("requests and signatures, notes"), [];
    json_body "A body that is no form is not read: nobody has called",
        Recorded("requests and signatures, notes"), [];
    json_in_any_case "`response=JSON` is JSON too",
        Recorded("response JSON upper"), [];
    xml_by_default "Without `response`, or with another value, the answer is XML with the server's version",
        Recorded("response XML default; response nonsense"), [];
    xml_errors "Errors come as XML where XML is asked for",
        Recorded("error: unknown command, XML"), [];
    secure_headers "Every answer forbids guessing its content type",
        Recorded("every answer's headers"), [];
    names_in_any_case "Parameter names count in any case, signed in the order of their own letters",
        Recorded("parameter name case"), [];
    names_sorted_raw "A signature over names that were turned to lower case before sorting is wrong",
        Recorded("error: parameter name case signed with lower-case sort"), [];
    key_in_any_case "The API key's name counts in any case",
        Recorded("apikey lower-case name"), [];
    star_is_raw "In the signed text `*` stays as it is, and escaped it is wrong",
        Recorded("signature encodings"), [];
    tilde_is_escaped "In the signed text `~` is `%7E`, and raw it is wrong",
        Recorded("signature encodings"), [];
    odd_values "Values with spaces, brackets, slashes, commas, plus signs and letters beyond ASCII are signed URL-encoded",
        Recorded("signature encodings; signature with space as %20"), [];
    wrong_signature "A wrong signature, an unknown key, no signature and no key are all refused alike, without a finer code",
        Recorded("error: wrong signature; unknown apikey; no signature; no credentials"), [];
    unknown_command "A signed call of an unknown command is refused like a bad signature, under `errorresponse`",
        Recorded("error: unknown command"), [];
    command_case "Command names count in their own case only",
        Recorded("error: command lower case; command wrong case"), [];
    no_command "Without a command the refusal stands under the key `null`",
        Recorded("error: no command, signed and unsigned"), [];
    admin_command "A command that the role may not call is refused with 432, under `errorresponse`",
        Recorded("error: admin-only command, user"), [];
    expiry_taken "With signature version 3, a time to come is taken as expiry, written with `Z` or `+0000`",
        Recorded("expires future; expires Z format"), [];
    expiry_refused "With signature version 3, an expiry that is past, missing or no time is refused",
        Recorded("error: expired signature; expires missing; expires bad format"), [];
    expiry_without_version "Without signature version 3 an expiry means nothing",
        Recorded("expires past without signatureversion"), [];
    unknown_parameters "Unknown parameters are ignored",
        Recorded("unknown parameter"), [];
    odd_booleans "A boolean that is neither true nor false is taken",
        Recorded("boolean odd"), [];
    missing_parameter "A required parameter that is missing is named in the refusal",
        Recorded("error: missing parameter, createNetwork"), ["createNetwork"];
    text_for_number "A text where a number belongs is quoted in the refusal",
        Recorded("error: pagesize text"), [];
    malformed_map "A map parameter without an index or a field is malformed",
        Read("decoding of parameters"), ["createTags"];
    unprintable "A value with control characters is refused, and the parameter named",
        Read("ApiServer, verification of values"), [];
    description_header "A refusal repeats its text in the header X-Description; one for want of identity does not",
        Recorded("error: pagesize above max; error: no command"), [];
    long_address "An address beyond the server's header buffer is answered with a page, not an envelope",
        Recorded("error: deployVirtualMachine, userdata 9000, GET"), [];
}

async fn get_is_answered(stage: &Stage) -> Verdict {
    let answer = stage.user.send("listZones", &[]).await?;
    hold(answer.content_type().starts_with("application/json"), "application/json", answer.content_type())?;
    let inside = answer.inside()?;
    let (key, _) = answer.envelope()?;
    hold(key == "listzonesresponse", "listzonesresponse", key)?;
    hold(inside["count"].is_u64() && inside["zone"].is_array(), "a count and the zones", inside)
}

async fn post_is_answered(stage: &Stage) -> Verdict {
    let pairs = signed(&stage.user.keys, call(&stage.user.keys, "listZones", &[]));
    stage.user.send_pairs(Way::Post, &pairs).await?.inside().map(drop)
}

async fn post_with_address(stage: &Stage) -> Verdict {
    let pairs = signed(&stage.user.keys, call(&stage.user.keys, "listZones", &[]));
    stage.user.send_pairs(Way::PostInAddress, &pairs).await?.inside().map(drop)
}

async fn other_methods(stage: &Stage) -> Verdict {
    let pairs = signed(&stage.user.keys, call(&stage.user.keys, "listZones", &[]));
    for method in [Method::PUT, Method::DELETE] {
        let answer = stage.door.send_oddly(method.clone(), &pairs, None).await?;
        hold(answer.status == 405, format!("405 for {method}"), answer.summary())?;
    }
    Ok(())
}

async fn json_body(stage: &Stage) -> Verdict {
    let body = Some(("application/json", r#"{"command":"listZones","response":"json"}"#.to_owned()));
    let answer = stage.door.send_oddly(Method::POST, &Vec::new(), body).await?;
    hold(answer.status == 401, "401", answer.summary())
}

/// A call with another `response`, or with none.
async fn with_response(stage: &Stage, response: Option<&str>) -> Verdict<crate::answer::Answer> {
    let mut pairs = call(&stage.user.keys, "listZones", &[]);
    pairs.retain(|(name, _)| name != "response");
    pairs.extend(response.map(|response| ("response".to_owned(), response.to_owned())));
    stage.user.send_pairs(Way::Get, &signed(&stage.user.keys, pairs)).await
}

async fn json_in_any_case(stage: &Stage) -> Verdict {
    with_response(stage, Some("JSON")).await?.inside().map(drop)
}

async fn xml_by_default(stage: &Stage) -> Verdict {
    for response in [None, Some("nonsense")] {
        let answer = with_response(stage, response).await?;
        let right = answer.status == 200
            && answer.content_type().starts_with("text/xml")
            && answer.body.contains("<listzonesresponse cloud-stack-version=\"")
            && answer.body.contains("<zone>");
        hold(
            right,
            "200 and XML: <listzonesresponse cloud-stack-version=…><count>…<zone>",
            answer.summary(),
        )?;
    }
    Ok(())
}

async fn xml_errors(stage: &Stage) -> Verdict {
    let mut pairs = call(&stage.user.keys, "noSuchCommand", &[]);
    pairs.retain(|(name, _)| name != "response");
    let answer = stage.user.send_pairs(Way::Get, &signed(&stage.user.keys, pairs)).await?;
    let right = answer.status == 401
        && answer.content_type().starts_with("text/xml")
        && answer.body.contains("<errorresponse><errorcode>401</errorcode><errortext>unable to verify");
    hold(right, "401 and XML: <errorresponse><errorcode>401</errorcode><errortext>…", answer.summary())
}

async fn secure_headers(stage: &Stage) -> Verdict {
    let answer = stage.user.send("listZones", &[]).await?;
    let header = answer.header("x-content-type-options").unwrap_or("none");
    hold(header == "nosniff", "X-Content-Type-Options: nosniff", header)
}

async fn names_in_any_case(stage: &Stage) -> Verdict {
    let odd = [("PageSize", "2"), ("PAGE", "1"), ("LISTALL", "true")];
    stage.user.ask("listVirtualMachines", &odd).await.map(drop)
}

async fn names_sorted_raw(stage: &Stage) -> Verdict {
    let odd = [("PageSize", "2"), ("PAGE", "1"), ("LISTALL", "true")];
    let pairs = call(&stage.user.keys, "listVirtualMachines", &odd);
    let pairs = signed_by(&stage.user.keys, pairs, Encoding::Libcloud);
    stage.user.send_pairs(Way::Get, &pairs).await?.refused_under("listvirtualmachinesresponse", NOBODY)
}

async fn key_in_any_case(stage: &Stage) -> Verdict {
    for name in ["apikey", "APIKEY"] {
        let mut pairs = call(&stage.user.keys, "listZones", &[]);
        for (found, _) in &mut pairs {
            if found == "apiKey" {
                name.clone_into(found);
            }
        }
        stage.user.send_pairs(Way::Get, &signed(&stage.user.keys, pairs)).await?.inside()?;
    }
    Ok(())
}

/// What a value's call is answered when it was signed by this encoding.
async fn signed_value(stage: &Stage, value: &str, encoding: Encoding) -> Verdict<u16> {
    let pairs = call(&stage.user.keys, "listZones", &[("keyword", value)]);
    Ok(stage.user.send_pairs(Way::Get, &signed_by(&stage.user.keys, pairs, encoding)).await?.status)
}

async fn star_is_raw(stage: &Stage) -> Verdict {
    let came = signed_value(stage, "a*b", Encoding::Java).await?;
    hold(came == 200, "200 for `*` signed raw", came)?;
    let came = signed_value(stage, "a*b", Encoding::EscapedStar).await?;
    hold(came == 401, "401 for `*` signed as %2A", came)
}

async fn tilde_is_escaped(stage: &Stage) -> Verdict {
    let came = signed_value(stage, "a~b", Encoding::Java).await?;
    hold(came == 200, "200 for `~` signed as %7E", came)?;
    let came = signed_value(stage, "a~b", Encoding::RawTilde).await?;
    hold(came == 401, "401 for `~` signed raw", came)
}

async fn odd_values(stage: &Stage) -> Verdict {
    for value in ["a b", "a[b]", "a/b", "a,b", "é", "a+b", "a@b", "a'b", "a(b)!", "A:B"] {
        let came = signed_value(stage, value, Encoding::Java).await?;
        hold(came == 200, format!("200 for `{value}`"), came)?;
    }
    Ok(())
}

async fn wrong_signature(stage: &Stage) -> Verdict {
    let keys = &stage.user.keys;
    let call = call(keys, "listZones", &[]);
    let mut wrong = call.clone();
    wrong.push(("signature".to_owned(), "d3Jvbmcgc2lnbmF0dXJlLi4uLi4=".to_owned()));
    let mut unknown = call.clone();
    for (name, value) in &mut unknown {
        if name == "apiKey" {
            "nobody-has-this-key".clone_into(value);
        }
    }
    let unknown = signed(keys, unknown);
    let none = pairs(&[("command", "listZones"), ("response", "json")]);
    for pairs in [wrong, unknown, call, none] {
        stage.door.send(Way::Get, &pairs).await?.refused_under("listzonesresponse", NOBODY)?;
    }
    Ok(())
}

async fn unknown_command(stage: &Stage) -> Verdict {
    stage.user.send("noSuchCommand", &[]).await?.refused_under("errorresponse", NOBODY)
}

async fn command_case(stage: &Stage) -> Verdict {
    for command in ["listzones", "LISTZONES"] {
        stage.user.send(command, &[]).await?.refused_under("errorresponse", NOBODY)?;
    }
    Ok(())
}

async fn no_command(stage: &Stage) -> Verdict {
    let unsigned = pairs(&[("response", "json")]);
    stage.door.send(Way::Get, &unsigned).await?.refused_under("null", NOBODY)?;
    let mut bare = call(&stage.user.keys, "", &[]);
    bare.retain(|(name, _)| name != "command");
    stage.door.send(Way::Get, &signed(&stage.user.keys, bare)).await?.refused_under("null", NOBODY)
}

async fn admin_command(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let answer = stage.user.send("listHosts", &[]).await?;
    let wanted = refusal(432, 9999, "The API [listHosts] does not exist or is not available for the account");
    answer.refused_under("errorresponse", wanted)
}

/// A call with a signature of version 3.
async fn expiring(stage: &Stage, expires: Option<&str>) -> Verdict<crate::answer::Answer> {
    let mut more = vec![("signatureVersion", "3")];
    more.extend(expires.map(|expires| ("expires", expires)));
    let pairs = signed(&stage.user.keys, call(&stage.user.keys, "listZones", &more));
    stage.user.send_pairs(Way::Get, &pairs).await
}

/// The time so long from now, in the way of writing that ends so.
fn from_now(minutes: i64, ending: &str) -> String {
    let then = Timestamp::now().saturating_add(SignedDuration::from_mins(minutes));
    let then = then.unwrap_or(Timestamp::MAX);
    format!("{}{ending}", then.strftime("%Y-%m-%dT%H:%M:%S"))
}

async fn expiry_taken(stage: &Stage) -> Verdict {
    for ending in ["+0000", "Z"] {
        expiring(stage, Some(&from_now(10, ending))).await?.inside()?;
    }
    Ok(())
}

async fn expiry_refused(stage: &Stage) -> Verdict {
    let past = from_now(-10, "+0000");
    for expires in [Some(past.as_str()), None, Some("tomorrow")] {
        expiring(stage, expires).await?.refused_under("listzonesresponse", NOBODY)?;
    }
    Ok(())
}

async fn expiry_without_version(stage: &Stage) -> Verdict {
    stage.user.ask("listZones", &[("expires", &from_now(-10, "+0000"))]).await.map(drop)
}

async fn unknown_parameters(stage: &Stage) -> Verdict {
    let one = stage.user.ask("listZones", &[]).await?;
    let other = stage.user.ask("listZones", &[("nosuchparameter", "x")]).await?;
    hold(one["count"] == other["count"], "the same answer with and without", other)
}

async fn odd_booleans(stage: &Stage) -> Verdict {
    stage.user.ask("listZones", &[("available", "yes")]).await.map(drop)
}

async fn missing_parameter(stage: &Stage) -> Verdict {
    let wanted = "Unable to execute API command createnetwork due to missing parameter networkofferingid";
    stage.user.refused("createNetwork", &[("name", "x")], refusal(431, 9999, wanted)).await.map(drop)
}

async fn text_for_number(stage: &Stage) -> Verdict {
    let wanted =
        "Unable to execute API command listvirtualmachines due to invalid value abc for parameter pagesize";
    let odd = [("page", "1"), ("pagesize", "abc")];
    stage.user.refused("listVirtualMachines", &odd, refusal(431, 9999, wanted)).await.map(drop)
}

async fn malformed_map(stage: &Stage) -> Verdict {
    let odd = [("resourcetype", "Network"), ("resourceids", stage.ground.zone.as_str()), ("tags[0]", "x")];
    let answer = stage.user.send("createTags", &odd).await?;
    let (_, inside) = answer.envelope()?;
    let right = answer.status == 430 && text(&inside, "errortext")?.contains("Unable to decode parameter");
    hold(right, "430 and \"Unable to decode parameter\"", answer.summary())
}

async fn unprintable(stage: &Stage) -> Verdict {
    let answer = stage.user.send("listZones", &[("keyword", "a\u{7}b")]).await?;
    let (_, inside) = answer.envelope()?;
    let right = answer.status == 431
        && text(&inside, "errortext")?
            .contains("Received value containing illegal ASCII non-printable characters for parameter");
    hold(
        right,
        "431 and \"Received value containing illegal ASCII non-printable characters\"",
        answer.summary(),
    )
}

async fn description_header(stage: &Stage) -> Verdict {
    let refused = stage.user.send("listVirtualMachines", &[("page", "1")]).await?;
    let (_, inside) = refused.envelope()?;
    let header = refused.header("x-description").map(Value::from).unwrap_or_default();
    hold(header == inside["errortext"], format!("X-Description: {}", inside["errortext"]), header)?;
    let nobody = stage.door.send(Way::Get, &pairs(&[("response", "json")])).await?;
    let header = nobody.header("x-description").unwrap_or("none");
    hold(header == "none", "no X-Description with a 401", header)
}

async fn long_address(stage: &Stage) -> Verdict {
    let long = "x".repeat(9_000);
    let pairs = signed(&stage.user.keys, call(&stage.user.keys, "listZones", &[("keyword", &long)]));
    let answer = stage.door.send(Way::Get, &pairs).await?;
    let right = matches!(answer.status, 400 | 414 | 431) && answer.envelope().is_err();
    hold(right, "414 and a page", answer.summary())
}

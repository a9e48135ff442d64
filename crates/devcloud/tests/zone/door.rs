//! Signatures, parameters, pages, envelopes, sessions.

use cloudstack::signature::{Encoding, form, signature};
use devcloud::{Method, Request, ZoneConfig};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::kit::{self, inside, json_of, signed, text};

#[tokio::test(start_paused = true)]
async fn an_answer_has_one_key_and_the_server_s_types() {
    let world = kit::world().await;
    let reply = world.user().send("listZones", &[]).await;
    assert_eq!((reply.status, reply.content_type), (200, "application/json;charset=utf-8"));
    let answer = inside(&reply);
    assert_eq!(answer["count"], json!(1));
    assert_eq!(answer["zone"][0]["networktype"], json!("Advanced"));
    assert_eq!(answer["zone"][0]["securitygroupsenabled"], json!(false));
    assert!(answer["zone"][0].get("dns1").is_none(), "for root admins only");
    assert!(world.admin().only("listZones", "zone", &[]).await.get("dns1").is_some());
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_verified_gets_401_without_a_finer_code() {
    let world = kit::world().await;
    let keys = world.user().keys;
    let unverified = |key: &str| {
        json!({ key: {
            "uuidList": [],
            "errorcode": 401,
            "errortext": "unable to verify user credentials and/or request signature",
        }})
    };
    let sign = |pairs: &[(&str, &str)]| signed(&keys, pairs);
    let zones = "listzonesresponse";
    let wrong = sign(&[("command", "listZones")]).replace("signature=", "signature=AAAA");
    for (query, key) in [
        (wrong, zones),
        ("command=listZones&response=json".to_owned(), zones),
        (format!("command=listZones&response=json&apiKey={}", keys.api_key), zones),
        ("command=listZones&response=json&apiKey=nobody&signature=AAAA".to_owned(), zones),
        (sign(&[("command", "noSuchCommand")]), "errorresponse"),
        (sign(&[("command", "listzones")]), "errorresponse"),
        (sign(&[]), "null"),
        (sign(&[("command", "listZones"), ("signatureVersion", "3")]), zones),
        (
            sign(&[
                ("command", "listZones"),
                ("signatureVersion", "3"),
                ("expires", "2001-01-01T00:00:00+0000"),
            ]),
            zones,
        ),
        (sign(&[("command", "listZones"), ("signatureVersion", "3"), ("expires", "soon")]), zones),
    ] {
        let reply = world.zone.handle(Request::get(query.clone())).await;
        assert_eq!((reply.status, json_of(&reply)), (401, unverified(key)), "{query}");
        assert!(!reply.headers.iter().any(|(name, _)| *name == "X-Description"));
    }
    for expires in ["2999-01-01T00:00:00+0000", "2999-01-01T00:00:00Z"] {
        let query = sign(&[("command", "listZones"), ("signatureVersion", "3"), ("expires", expires)]);
        assert_eq!(world.zone.handle(Request::get(query)).await.status, 200, "{expires}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_clients_signatures_are_taken_unless_the_zone_is_strict() {
    let config = ZoneConfig { strict_signatures: true, ..ZoneConfig::simulated_time() };
    let strict = kit::world_with(config, Default::default(), Default::default()).await;
    for (world, taken) in [(kit::world().await, true), (strict, false)] {
        let keys = world.user().keys;
        for encoding in Encoding::ALL {
            let mut pairs = vec![
                ("command", "listZones"),
                ("response", "json"),
                ("name", "a~*b[c]"),
                ("apiKey", keys.api_key.as_str()),
            ];
            let signed = signature(&pairs, keys.secret_key.expose_secret(), encoding);
            pairs.push(("signature", &signed));
            let status = world.zone.handle(Request::get(form(&pairs))).await.status;
            assert_eq!(status == 200, taken || encoding == Encoding::Java, "{encoding:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_checked_in_the_server_s_words() {
    let world = kit::world().await;
    let user = world.user();
    let nil = "00000000-0000-0000-0000-000000000000";
    for (command, parameters, refusal) in [
        (
            "createNetwork",
            vec![("name", "n")],
            "Unable to execute API command createnetwork due to missing parameter networkofferingid".to_owned(),
        ),
        (
            "createNetwork",
            vec![("name", "")],
            "Unable to execute API command createnetwork due to invalid value. Invalid value provided for API arg: name"
                .to_owned(),
        ),
        (
            "listVirtualMachines",
            vec![("id", nil)],
            format!(
                "Unable to execute API command listvirtualmachines due to invalid value. Invalid parameter id value={nil} due \
                 to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the \
                 field in api cmd class."
            ),
        ),
        (
            "updateVMAffinityGroup",
            vec![("id", "not-a-uuid")],
            "Unable to execute API command updatevirtualmachine due to invalid value. Invalid parameter id value=not-a-uuid due \
             to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the field in \
             api cmd class."
                .to_owned(),
        ),
        (
            "listVirtualMachines",
            vec![("page", "1"), ("pagesize", "abc")],
            "Unable to execute API command listvirtualmachines due to invalid value abc for parameter pagesize".to_owned(),
        ),
    ] {
        let (status, finer, text) = user.refused(command, &parameters).await;
        assert_eq!((status, finer, text.as_str()), (431, Some(9999), refusal.as_str()));
    }
    let long = "x".repeat(256);
    let (_, _, text) = user.refused("createSSHKeyPair", &[("name", &long)]).await;
    assert!(text.ends_with("Value greater than max allowed length 255 for param: name"), "{text}");
    assert_eq!(user.refused("listTags", &[("tags[x].key", "k")]).await.0, 430);
    assert_eq!(user.refused("listZones", &[("name", "a\u{7}b")]).await.0, 431);
    assert_eq!(user.call("listZones", &[("sillyparameter", "1")]).await["count"], json!(1));
    assert_eq!(
        user.call("listZones", &[("NAME", "DevCloud")]).await["count"],
        json!(1),
        "names match in any case"
    );
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() {
    let world = kit::world().await;
    let user = world.user();
    for number in 0..5 {
        user.run("createAffinityGroup", &[("name", &format!("g{number}")), ("type", "host affinity")]).await;
    }
    let list = |page: &'static str, size: &'static str| {
        let user = user.clone();
        async move { user.call("listAffinityGroups", &[("page", page), ("pagesize", size)]).await }
    };
    let names = |answer: &serde_json::Value| -> Vec<String> {
        answer["affinitygroup"]
            .as_array()
            .map(|all| all.iter().map(|one| text(&one["name"])).collect())
            .unwrap_or_default()
    };
    assert_eq!(names(&list("1", "2").await), ["g0", "g1"]);
    assert_eq!(names(&list("0", "2").await), ["g0", "g1"]);
    assert_eq!(names(&list("3", "2").await), ["g4"]);
    assert_eq!(list("1", "2").await["count"], json!(5), "the count is of all matches");
    assert_eq!(list("4", "2").await, json!({ "count": 5 }));
    assert_eq!(list("1", "0").await, json!({ "count": 5 }));
    assert_eq!(user.call("listAffinityGroups", &[("name", "none")]).await, json!({}));
    for (parameters, finer, text) in [
        (vec![("page", "1")], 9999, "\"pagesize\" parameter is required when \"page\" is specified"),
        (vec![("pagesize", "5")], 9999, "\"page\" parameter is required when \"pagesize\" is specified"),
        (
            vec![("page", "1"), ("pagesize", "501")],
            4350,
            "Page size can't exceed max allowed page size value: 500",
        ),
        (
            vec![("page", "1"), ("pagesize", "-1")],
            4350,
            "Can't specify page parameter when pagesize is -1 (Unlimited)",
        ),
    ] {
        assert_eq!(
            user.refused("listAffinityGroups", &parameters).await,
            (431, Some(finer), text.to_owned())
        );
    }
    assert_eq!(user.call("listAffinityGroups", &[("pagesize", "-1")]).await["count"], json!(5));
}

#[tokio::test(start_paused = true)]
async fn only_what_can_be_called_is_listed_and_all_of_it() {
    let world = kit::world().await;
    let names = |answer: serde_json::Value| -> Vec<String> {
        answer["api"].as_array().expect("commands").iter().map(|one| text(&one["name"])).collect()
    };
    let (of_user, of_admin) =
        (names(world.user().call("listApis", &[]).await), names(world.admin().call("listApis", &[]).await));
    assert!(of_user.contains(&"deployVirtualMachine".to_owned()));
    assert!(of_admin.contains(&"createAccount".to_owned()) && !of_user.contains(&"createAccount".to_owned()));
    for name in &of_user {
        // There is one that answers only where calls are counted.
        let status = world.user().send(name, &[]).await.status;
        let known = ![401, 432].contains(&status) || name == "getApiLimit";
        assert!(known, "{name} is listed and answers {status}");
    }
    let one = world.user().only("listApis", "api", &[("name", "deployVirtualMachine")]).await;
    assert_eq!(one["isasync"], json!(true));
    let refused = world.user().refused("createAccount", &[]).await;
    assert_eq!((refused.0, refused.1), (432, Some(9999)));
    assert_eq!(
        refused.2,
        "The API [createAccount] does not exist or is not available for the account mesostack."
    );
    assert!(json_of(&world.user().send("createAccount", &[]).await).get("errorresponse").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_around_the_api_refuses_is_a_page() {
    let world = kit::world().await;
    let mut put = Request::get(signed(&world.user().keys, &[("command", "listZones")]));
    put.method = Method::Other;
    assert_eq!(world.zone.handle(put).await.status, 405);
    let long = Request::get(format!("command=listZones&name={}", "x".repeat(9000)));
    let reply = world.zone.handle(long).await;
    assert_eq!(reply.status, 414);
    assert!(reply.content_type.starts_with("text/html"));
    assert_eq!(world.zone.handle(Request::post("x".repeat(1_100_000))).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn without_asking_for_json_the_answer_is_xml() {
    let world = kit::world().await;
    let keys = world.user().keys;
    let mut pairs = vec![("command", "listHypervisors"), ("apiKey", keys.api_key.as_str())];
    let sign = signature(&pairs, keys.secret_key.expose_secret(), Encoding::Java);
    pairs.push(("signature", &sign));
    let reply = world.zone.handle(Request::get(form(&pairs))).await;
    assert_eq!(reply.content_type, "text/xml;charset=utf-8");
    let body = String::from_utf8(reply.body).expect("text");
    assert!(
        body.contains(
            "<listhypervisorsresponse cloud-stack-version=\"4.22.0.0\"><count>1</count><hypervisor><name>Simulator</name>"
        ),
        "{body}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_needs_both_cookies_and_the_key() {
    let world = kit::world().await;
    let keys = world.user().keys;
    let login = |password: &str| {
        let pairs =
            [("command", "login"), ("username", "mesostack"), ("password", password), ("response", "json")];
        world.zone.handle(Request::post(form(&pairs)))
    };
    assert_eq!(login("wrong").await.status, 531);
    let by_get = world.zone.handle(Request::get("command=login&response=json")).await;
    assert_eq!((by_get.status, by_get.content_type), (405, "application/json;charset=utf-8"));
    assert_eq!(by_get.body, b"Please use HTTP POST to authenticate using this API");
    let reply = login(keys.password.expose_secret()).await;
    let session = inside(&reply);
    assert_eq!((&session["type"], &session["registered"]), (&json!("0"), &json!("false")));
    let cookies: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "Set-Cookie")
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    let both = cookies.join("; ");
    let key = text(&session["sessionkey"]);
    let call = |command: &str, cookie: &str, key: &str| {
        let mut request = Request::get(format!("command={command}&response=json&sessionkey={key}"));
        request.cookie = Some(cookie.to_owned());
        world.zone.handle(request)
    };
    assert_eq!(call("listZones", &both, &key).await.status, 200);
    assert_eq!(
        call("noSuchCommand", &both, &key).await.status,
        432,
        "in a session, an unknown command is not a 401"
    );
    assert_eq!(call("listZones", &both, "").await.status, 401);
    assert_eq!(
        call("listZones", &both, &key).await.status,
        401,
        "the session ended with the call without its key"
    );
    let reply = login(keys.password.expose_secret()).await;
    let cookies: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "Set-Cookie")
        .filter_map(|(_, v)| v.split(';').next())
        .collect();
    let (both, key) = (cookies.join("; "), text(&inside(&reply)["sessionkey"]));
    assert_eq!(inside(&call("logout", &both, &key).await), json!({ "description": "success" }));
    assert_eq!(call("listZones", &both, &key).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_signature_expires_by_the_zone_s_time() {
    let world = kit::world().await;
    let expires = world.zone.now().saturating_add(jiff::SignedDuration::from_secs(30)).expect("a time");
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
    let call = [("command", "listZones"), ("signatureVersion", "3"), ("expires", expires.as_str())];
    let query = signed(&world.user().keys, &call);
    assert_eq!(world.zone.handle(Request::get(query.clone())).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    assert_eq!(world.zone.handle(Request::get(query)).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn no_number_and_no_length_of_a_value_breaks_an_answer() {
    let world = kit::world().await;
    let user = world.user();
    let page = [("page", "-9223372036854775808"), ("pagesize", "1")];
    assert_eq!(user.call("listZones", &page).await["count"], json!(1));
    let network = user.network("n").await;
    let parameters = user.machine(&network, "m").await;
    let sizes = kit::borrowed(&parameters, &[("rootdisksize", "9223372036854775807")]);
    assert_eq!(user.refused("deployVirtualMachine", &sizes).await.0, 431);
    let long = "9".repeat(100_000);
    let reply = user.send("listVirtualMachines", &[("id", &long)]).await;
    assert_eq!(reply.status, 431);
    assert!(json_of(&reply).to_string().contains(&long), "the body tells all of it");
    let described = reply.headers.iter().find(|(name, _)| *name == "X-Description").expect("a description");
    assert!(described.1.len() <= 1000, "clients give up on a header of {} bytes", described.1.len());
}

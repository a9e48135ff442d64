//! Lists to their end.

use cloudstack::resource::*;
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted, Seen};

/// Serves `total` machines in pages no larger than `largest`, as a CloudStack server does.
fn serve(total: u64, largest: u64) -> impl FnMut(&Seen) -> Answer {
    move |seen| {
        let page: u64 = seen.get("page").parse().unwrap();
        let size: u64 = seen.get("pagesize").parse().unwrap();
        if size > largest {
            return Answer::Refused(431, "Page size can't exceed max allowed page size value: 100");
        }
        let rows: Vec<Value> =
            ((page - 1) * size..(page * size).min(total)).map(|n| json!({"id": format!("m{n}")})).collect();
        Answer::Ok(match (total, rows.is_empty()) {
            (0, _) => json!({}),
            (_, true) => json!({"count": total}),
            _ => json!({"count": total, "virtualmachine": rows}),
        })
    }
}

async fn listed(total: u64, largest: u64) -> (Vec<VirtualMachine>, usize) {
    let server = Scripted::new(serve(total, largest));
    let machines = server.client().list(&ListVirtualMachines::new()).await.unwrap();
    (machines, server.seen().len())
}

#[tokio::test]
async fn all_pages_are_read_each_once_and_in_order() {
    for (total, calls) in [(0, 1), (1, 1), (499, 1), (500, 1), (501, 2), (1000, 2), (1750, 4)] {
        let (machines, sent) = listed(total, 500).await;
        let ids: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
        let expected: Vec<String> = (0..total).map(|n| format!("m{n}")).collect();
        assert_eq!(ids, expected);
        assert_eq!(sent, calls, "{total} machines");
    }
}

#[tokio::test]
async fn expected_pages_are_asked_for_with_the_first_and_what_is_there_is_listed_in_any_case() {
    for (total, expected, calls) in
        [(1200, 1200, 3), (1200, 0, 3), (2600, 1200, 6), (0, 1200, 3), (400, 1200, 3), (500, 500, 1)]
    {
        let server = Scripted::new(serve(total, 500));
        let machines = server.client().list_expecting(&ListVirtualMachines::new(), expected).await.unwrap();
        assert_eq!(machines.len() as u64, total);
        assert_eq!(server.seen().len(), calls, "{total} machines where {expected} are expected");
    }
    let server = Scripted::new(serve(250, 100));
    let machines = server.client().list_expecting(&ListVirtualMachines::new(), 700).await.unwrap();
    assert_eq!(machines.len(), 250);
}

#[tokio::test]
async fn a_server_with_smaller_pages_is_asked_for_those_from_then_on() {
    let server = Scripted::new(serve(250, 100));
    let client = server.client();
    assert_eq!(client.list(&ListVirtualMachines::new()).await.unwrap().len(), 250);
    assert_eq!(server.seen().len(), 4);
    assert_eq!(client.list(&ListVirtualMachines::new()).await.unwrap().len(), 250);
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn a_server_that_gives_no_count_is_read_until_a_page_is_not_full() {
    let mut inner = serve(1200, 500);
    let server = Scripted::new(move |seen| match inner(seen) {
        Answer::Ok(Value::Object(mut members)) => {
            members.remove("count");
            Answer::Ok(Value::Object(members))
        }
        other => other,
    });
    assert_eq!(server.client().list(&ListVirtualMachines::new()).await.unwrap().len(), 1200);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_server_that_knows_no_pages_is_not_asked_for_ever() {
    let rows: Vec<Value> = (0..600).map(|n| json!({"id": format!("m{n}")})).collect();
    let server = Scripted::new(move |_| Answer::Ok(json!({"virtualmachine": rows})));
    assert_eq!(server.client().list(&ListVirtualMachines::new()).await.unwrap().len(), 600);
    assert!(server.seen().len() <= 3);
}

#[tokio::test]
async fn what_shifts_from_one_page_to_the_next_is_given_once() {
    // A machine that came in between pushes m499 from the first page to the second.
    let server = Scripted::new(|seen| {
        let rows: Vec<Value> = match seen.get("page") {
            "1" => (0..500).map(|n| json!({"id": format!("m{n}")})).collect(),
            "2" => (499..600).map(|n| json!({"id": format!("m{n}")})).collect(),
            _ => Vec::new(),
        };
        Answer::Ok(json!({"count": 601, "virtualmachine": rows}))
    });
    let machines = server.client().list(&ListVirtualMachines::new()).await.unwrap();
    assert_eq!(machines.len(), 600);
    assert_eq!(server.seen().len(), 6, "the one in front was missed, and is looked for, but not for ever");
}

#[tokio::test]
async fn what_goes_between_two_pages_does_not_hide_another() {
    // m3 goes after the first page was read: m500 is on the first page then, and not on the second.
    let mut calls = 0;
    let server = Scripted::new(move |seen| {
        calls += 1;
        let gone = calls > 1;
        let there = (0..600).filter(|n| !gone || *n != 3).map(|n| json!({"id": format!("m{n}")}));
        let there: Vec<Value> = there.collect();
        let skip = if seen.get("page") == "1" { 0 } else { 500 };
        let rows: Vec<Value> = there.iter().skip(skip).take(500).cloned().collect();
        Answer::Ok(json!({"count": there.len(), "virtualmachine": rows}))
    });
    let machines = server.client().list(&ListVirtualMachines::new()).await.unwrap();
    let ids: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
    let expected: Vec<String> = (0..600).filter(|n| *n != 3).map(|n| format!("m{n}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn whether_there_is_anything_takes_one_call_for_one_row() {
    for (total, any) in [(0, false), (1, true), (1750, true)] {
        let server = Scripted::new(serve(total, 500));
        assert_eq!(server.client().has_any(&ListVirtualMachines::new()).await.unwrap(), any);
        assert_eq!(server.seen().len(), 1);
        assert_eq!(server.seen()[0].get("pagesize"), "1");
    }
}

#[tokio::test]
async fn a_template_in_two_zones_is_two_rows() {
    let server = Scripted::new(|_| {
        Answer::Ok(json!({"count": 2, "template": [{"id": "t", "zoneid": "a"}, {"id": "t", "zoneid": "b"}]}))
    });
    let command = ListTemplates::new(TemplateFilter::OwnOnly);
    assert_eq!(server.client().list(&command).await.unwrap().len(), 2);
    assert_eq!(server.seen()[0].get("templatefilter"), "self");
}

#[tokio::test]
async fn a_page_that_keeps_failing_fails_the_list() {
    let mut inner = serve(1200, 500);
    let server = Scripted::new(move |seen| match seen.get("page") {
        "3" => Answer::Refused(431, "no"),
        _ => inner(seen),
    });
    let error = server.client().list(&ListVirtualMachines::new()).await.unwrap_err();
    assert_eq!(error.code(), Some(431));
}

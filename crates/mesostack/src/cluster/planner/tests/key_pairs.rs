//! The operator's key pair: registered, changed for another one, and deleted with all before it.

use super::*;

/// A cluster whose file names that key pair, with the node that is to be made anew.
fn with_pair(name: &str, agents: u16, replace: Option<&str>) -> crate::cluster::Desired {
    let mut spec = desired(3, agents).spec;
    spec.access.key_pair = name.to_owned();
    let key = OperatorKey { public: "ssh-ed25519 AAAA".to_owned(), fingerprint: "aa:bb".to_owned() };
    let replace = replace.map(|node| node.parse().expect("a node's name"));
    crate::cluster::Desired::of(&spec, Some(key)).asking(Changes { replace, ..Changes::default() })
}

/// As the cloud shows it to whoever asks for another key pair, which is not there.
fn seen_for_another(observed: &Observed) -> Observed {
    Observed { key_pair: None, ..observed.clone() }
}

fn pairs(observed: &Observed) -> Vec<&str> {
    observed.our_key_pairs().map(|(name, _)| name).collect()
}

#[test]
fn machines_made_with_another_key_pair_are_shown_with_what_it_takes() {
    let observed = seen_for_another(&whole(&with_pair("ops", 0, None)));
    let shown = plan(&with_pair("new", 0, None), &observed);
    assert!(shown.is_empty(), "{shown}");
    assert_eq!(
        shown.drift.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "~ master-1, master-2, master-3 made with the key pair ops instead of new: `mesostack replace NODE` makes one of \
             them anew"
        ]
    );
    let mut one = whole(&with_pair("ops", 1, None));
    one.machines[3].key_pairs = vec!["theirs".to_owned(), "older".to_owned()];
    let shown = plan(&with_pair("ops", 1, None), &one);
    assert_eq!(
        shown.drift[0].to_string(),
        "~ agent-1 made with the key pair theirs, older instead of ops: `mesostack replace agent-1` makes it anew"
    );
    // A cloud that does not tell says nothing.
    one.machines[3].key_pairs.clear();
    assert!(plan(&with_pair("ops", 1, None), &one).drift.is_empty());
    // The cloud's list has a name with white space in pieces.
    one.machines.iter_mut().for_each(|machine| machine.key_pairs = vec!["my".to_owned(), "key".to_owned()]);
    assert!(plan(&with_pair("my key", 1, None), &one).drift.is_empty());
}

#[test]
fn an_earlier_key_pair_stays_ours_and_goes_once_no_machine_was_made_with_it() {
    let mut observed = seen_for_another(&whole(&with_pair("ops", 1, None)));
    let nodes = ["agent-1", "master-1", "master-2", "master-3"];
    for (at, node) in nodes.iter().enumerate() {
        let asked = with_pair("new", 1, Some(node));
        let next = plan(&asked, &observed);
        assert!(next.obstacles.is_empty(), "{next}");
        let deleted = lines(&next).iter().any(|line| line.starts_with("- key pair ops"));
        assert_eq!(deleted, at + 1 == nodes.len(), "{next}");
        carry_out_all(&asked, &mut observed, &next);
        // Whatever becomes of the tags, the first pair is never without one as long as it is there.
        let expected = if deleted { vec!["new"] } else { vec!["ops", "new"] };
        assert_eq!(pairs(&observed), expected);
    }
    let after = plan(&with_pair("new", 1, None), &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
    // The file goes back to the first name: the same again, the other way round.
    observed = seen_for_another(&observed);
    let next = plan(&with_pair("ops", 2, None), &observed);
    carry_out_all(&with_pair("ops", 2, None), &mut observed, &next);
    assert_eq!(pairs(&observed), ["ops", "new"]);
}

#[test]
fn a_destruction_deletes_every_key_pair_that_was_registered_for_the_cluster() {
    let mut observed = seen_for_another(&whole(&with_pair("ops", 1, None)));
    let grown = with_pair("new", 2, None);
    let next = plan(&grown, &observed);
    carry_out_all(&grown, &mut observed, &next);
    let down = crate::cluster::plan_destruction(&grown, &observed);
    let deleted = lines(&down).into_iter().filter(|line| line.starts_with("- key pair")).collect::<Vec<_>>();
    assert_eq!(deleted, ["- key pair new (the private key stays)", "- key pair ops (the private key stays)"]);
    // Also where the file names one that was never registered.
    let down = crate::cluster::plan_destruction(&with_pair("other", 2, None), &seen_for_another(&observed));
    let deleted = lines(&down).into_iter().filter(|line| line.starts_with("- key pair")).count();
    assert_eq!(deleted, 2, "{down}");
}

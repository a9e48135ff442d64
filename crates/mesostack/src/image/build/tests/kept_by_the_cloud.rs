//! Builds on a CloudStack as it comes: users may destroy machines and not remove them for good. They are gone from every
//! list, and in the way all the same until the server clears up.

use cloudstack::resource::ListNetworks;

use super::*;
use crate::image::testing::{EXPUNGE_DELAY, Heard};

#[tokio::test(start_paused = true)]
async fn a_finished_image_is_finished_and_its_network_goes_later() {
    let cloud = Cloud::where_users_may_not_expunge().await;
    let (spec, recipe, options) = (spec(), recipe().await, options());
    let built = cloud.builder(&Machines::default()).build(&spec, &recipe, &options).await.unwrap();
    let left = built.left.unwrap();
    assert!(left.contains(&options.build.name()) && left.contains("`mesostack image gc`"), "{left}");
    assert!(built.took < Duration::from_secs(180), "it waited for nothing: {:?}", built.took);
    assert_eq!(catalogue::list(&cloud.client, "devcloud").await.unwrap().len(), 1);

    // Too early it says so, soon.
    let began = Instant::now();
    let removed = leftover::remove(&cloud.client, &options.build, in_a_while(), |_| {}).await.unwrap();
    assert!(removed.remark().unwrap().contains("a day"), "{removed:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    sleep(EXPUNGE_DELAY * 2).await;
    remove(&cloud, &options.build).await;
    assert_eq!(cloud.contents().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_ends_soon_and_leaves_no_template() {
    let recipe = recipe().await;
    for mark in ["apt-get -q install", "EXPECTED_HOST="] {
        let cloud = Cloud::where_users_may_not_expunge().await;
        let options = options();
        let machines = Machines { fail: Some(mark), ..Machines::default() };
        let heard = Arc::new(Heard::default());
        let builder = Builder { listener: heard.clone(), ..cloud.builder(&machines) };
        let began = Instant::now();
        let error = builder.build(&spec(), &recipe, &options).await.unwrap_err();
        assert!(matches!(error, Error::Step { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(180), "{:?}", began.elapsed());
        let told = heard.0.lock().unwrap().iter().any(|event| {
            matches!(event, Event::Done { work, detail: Some(detail), .. }
                if &*work.0 == "clean up" && detail.contains("`mesostack image gc`"))
        });
        assert!(told, "the operator is told what stays");
        let networks = cloud.client.list(&ListNetworks::new()).await.unwrap();
        assert_eq!(networks.len(), 1);
        sleep(EXPUNGE_DELAY * 2).await;
        remove(&cloud, &options.build).await;
        assert_eq!(cloud.contents().await, Vec::<String>::new(), "{mark}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_existing_network_no_forward_and_no_rule_stays() {
    let recipe = recipe().await;
    for mark in [None, Some("BUILD_KEY="), Some("EXPECTED_HOST=")] {
        let cloud = Cloud::where_users_may_not_expunge().await;
        inhabited_network(&cloud).await;
        let before = cloud.contents().await;
        let mut spec = spec();
        spec.image.network = Some("office".into());
        let machines = Machines { fail: mark, ..Machines::default() };
        let outcome = cloud.builder(&machines).build(&spec, &recipe, &options()).await;
        assert_eq!(outcome.as_ref().map(|built| built.left.clone()).ok(), mark.is_none().then_some(None));
        assert_eq!(cloud.contents().await, before, "{mark:?}");
    }
}

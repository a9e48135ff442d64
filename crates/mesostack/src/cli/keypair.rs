//! `mesostack keypair …`

use std::time::Duration;

use mesostack::key_pair::{self, KeyPair, Maker};

use super::{arguments::Keypair, cloud::connect, exit::Exit, report::While, run::Run, table::table};

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn keypair(run: &Run, command: Keypair) -> miette::Result<Exit> {
    let cloud = run.read_file()?.spec.cloud;
    let client = connect(&cloud).await?;
    if let Keypair::Delete { name, consent } = &command
        && !consent.ask(run, &format!("Delete key pair {name} from the cloud?")).await?
    {
        run.remark("nothing was deleted");
        return Ok(Exit::Failed);
    }
    match command {
        Keypair::Create { name, out, by_the_cloud } => {
            let maker = if by_the_cloud { Maker::Cloud } else { Maker::Here };
            let made = run.carry_out(key_pair::create(&client, &name, &out, maker)).await?;
            let pair = made.tried("the key pair was not made")?;
            run.answer(&pair, || format!("{}; the private key is in {}", text(&pair), out.display()))?;
        }
        Keypair::Register { name, public_key } => {
            let registered = run.carry_out(key_pair::register(&client, &name, &public_key)).await?;
            let pair = registered.tried("the key was not registered")?;
            run.answer(&pair, || text(&pair))?;
        }
        Keypair::List => {
            let pairs = run
                .ask(run.deadline(PATIENCE), async {
                    key_pair::list(&client).await.tried("the key pairs could not be listed")
                })
                .await?;
            let rows: Vec<_> =
                pairs.iter().map(|pair| [pair.name.clone(), pair.fingerprint.clone()]).collect();
            run.answer(&pairs, || table(["NAME", "FINGERPRINT (MD5)"], &rows))?;
        }
        Keypair::Delete { name, .. } => {
            run.carry_out(key_pair::delete(&client, &name)).await?.tried("nothing was deleted")?;
            run.answer(&serde_json::json!({ "deleted": name }), || format!("key pair {name} is deleted"))?;
        }
    }
    Ok(Exit::Done)
}

fn text(pair: &KeyPair) -> String {
    format!("key pair {}, fingerprint {}", pair.name, pair.fingerprint)
}

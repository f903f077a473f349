//! Connections that did one request each and then stay: what keep-alive costs in memory.

use crate::args::Args;
use crate::client::{ask, Client};
use crate::http;
use crate::stage::Stage;
use crate::wire::Dialer;

/// Opens them one by one, says `ready`, holds them until `release`, and says how many are still open.
pub fn run(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let (dialer, connections) = (Dialer::new(args)?, args.connections()?);
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let mut held = Vec::with_capacity(connections);
    for (number, request) in requests.iter().cycle().take(connections).enumerate() {
        let mut client = Client::connect(&dialer, stage.body_bytes)?;
        stage.watch(&client.wire.stream, number)?;
        ask(stage, &mut client, number, request)?;
        held.push(client);
    }
    println!("{{\"ready\":{connections}}}");
    if !stage.wait_for("release")? {
        return Err("`release` was expected".to_owned());
    }
    let closed = held.iter().filter(|client| !client.wire.is_silent()).count();
    Ok(format!("{{\"connections\":{connections},\"closed_by_peer\":{closed}}}"))
}

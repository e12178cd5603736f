//! By hand, what is written once: the calls run at once, and the answers come in order.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::shared::{CALLS, Db};

pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

pub struct Tool {
    pub description: &'static str,
    pub parameters: Value,
    pub run: for<'a> fn(&'a Db, &'a str) -> Answer<'a>,
}

pub fn run(tools: &HashMap<&'static str, Tool>, db: &Db) -> Result<(), Box<dyn Error>> {
    let described = |(name, tool): (&&str, &Tool)| json!({ "name": name, "description": tool.description, "parameters": tool.parameters });
    println!("{}", serde_json::to_string(&tools.iter().map(described).collect::<Vec<_>>())?.len());
    let calls = CALLS.map(|(name, arguments)| async move {
        let answer = match tools.get(name) {
            Some(tool) => (tool.run)(db, arguments).await,
            None => Err("there is no such tool".to_owned()),
        };
        answer.unwrap_or_else(|error| json!({ "error": error, "tool": name }).to_string())
    });
    for result in Runtime::new()?.block_on(join_all(calls)) {
        println!("{result}");
    }
    Ok(())
}

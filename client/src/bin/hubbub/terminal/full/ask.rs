//! Questions of the state, put to the hub. One question, one answer; what is not answered is asked
//! again when it is due.

use super::app::{Answer, Question};
use super::conversation::Person;
use hubbub_client::reply::{
    ChannelsReply, ClientInfo, ClientsReply, HistoryReply, ServersReply, ServicesReply, TextReply, TopicReply,
};
use hubbub_client::{Client, Code, Error};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{json, Value};
use std::time::Instant;

/// Asks, and waits for the answer. `history`: how many messages of the past are asked for.
pub async fn ask(client: Client, question: Question, history: u32) -> Answer {
    let answer = put(&client, &question, history).await;
    answer.unwrap_or(Answer::Nothing(question))
}

async fn put(client: &Client, question: &Question, history: u32) -> Result<Answer, Error> {
    Ok(match question {
        Question::Ping => {
            let start = Instant::now();
            let _: IgnoredAny = get(client, "ping", json!({})).await?;
            Answer::Ping(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
        }
        Question::Servers => {
            let reply: ServersReply = get(client, "servers", json!({})).await?;
            let alive = reply.servers.into_iter().filter(|server| server.state == "alive");
            Answer::Servers(alive.map(|server| server.name).collect())
        }
        Question::Where(name) => {
            let there: Result<ClientInfo, Error> = get(client, "whois", json!({ "name": name })).await;
            match there {
                Ok(client) => Answer::Where(name.clone(), Some(client.server)),
                Err(Error::Refused(refusal)) if refusal.code == Code::NoSuchClient => {
                    Answer::Where(name.clone(), None)
                }
                Err(why) => return Err(why),
            }
        }
        Question::People(channel) => {
            let reply: ClientsReply = get(client, "who", json!({ "channel": channel })).await?;
            let people = reply.clients.iter().map(|c| Person::new(&c.name, &c.server)).collect();
            Answer::People(channel.clone(), people)
        }
        Question::Topic(channel) => {
            let reply: TopicReply = get(client, "topic", json!({ "channel": channel })).await?;
            Answer::Topic(channel.clone(), reply)
        }
        Question::Past { channel, again } => {
            let args = json!({ "channel": channel, "limit": history });
            let reply: HistoryReply = get(client, "history", args).await?;
            Answer::Past { channel: channel.clone(), again: *again, messages: reply.messages }
        }
        Question::Channels => {
            let reply: ChannelsReply = get(client, "channels", json!({})).await?;
            Answer::Channels(reply.channels.into_iter().map(|channel| channel.name).collect())
        }
        Question::Clients => {
            let reply: ClientsReply = get(client, "clients", json!({})).await?;
            Answer::Clients(reply.clients.into_iter().map(|client| client.name).collect())
        }
        Question::Services => {
            let reply: ServicesReply = get(client, "services", json!({})).await?;
            Answer::Services(reply.services.into_iter().map(|service| service.name).collect())
        }
        Question::Away(words) => {
            let me: ClientInfo = get(client, "whoami", json!({})).await?;
            // Even where this is not answered it may have been done: then it has to be undone, too.
            let _: Result<TextReply, Error> = get(client, "welcome", json!({ "text": words })).await;
            Answer::Away { words: words.clone(), before: me.welcome.unwrap_or_default() }
        }
        Question::Welcome(words) => {
            let _: TextReply = get(client, "welcome", json!({ "text": words })).await?;
            Answer::Nothing(question.clone())
        }
    })
}

async fn get<T: DeserializeOwned>(client: &Client, op: &str, args: Value) -> Result<T, Error> {
    client.command(op, args).await
}

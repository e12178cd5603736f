//! The model: plays the script, as events or as bytes.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, from_value, json, to_value};
use tokio::time::sleep;
use tool_openai::chat::{ChatAssembler, Completion, Request};
use tool_openai::{Assembler, ChatModel, ModelError, ModelEvent, ModelFuture, ModelStream};

use super::plan::{End, Form, Style, Turn};
use super::text::{Wire, calls, numbers};
use super::tools::{Log, Note};

/// What the model does next.
#[derive(Clone, Debug)]
enum Act {
    Emit(Box<ModelEvent>),
    Send(Vec<u8>),
    Note(Note),
    Think(u64),
    Break,
    Hang,
}

/// A model that plays its script, one message a request, and answers every further request with
/// `Over.`.
pub(super) struct Script {
    form: Form,
    turns: Mutex<VecDeque<(usize, Turn)>>,
    /// What it was sent.
    pub(super) requests: Mutex<Vec<Value>>,
    log: Log,
}

impl Script {
    pub(super) fn new(form: Form, turns: &[Turn], log: &Log) -> Self {
        let turns = Mutex::new(turns.iter().cloned().enumerate().collect());
        Self {
            form,
            turns,
            requests: Mutex::default(),
            log: Arc::clone(log),
        }
    }

    /// From now on, every answer is `Over.`.
    pub(super) fn end(&self) {
        self.turns.lock().unwrap().clear();
    }

    /// What is played for the request, and which message of the script it is.
    fn next(&self, request: &Request) -> (VecDeque<Act>, Option<usize>) {
        self.requests
            .lock()
            .unwrap()
            .push(to_value(request).unwrap());
        let Some((at, turn)) = self.turns.lock().unwrap().pop_front() else {
            let over = ModelEvent::Finished(completion(&json!({"content": "Over."}), Some("stop")));
            return ([emit(over)].into(), None);
        };
        self.log.lock().unwrap().push(Note::Begun(at));
        let acts = if self.form == Form::Bytes {
            bytes(&turn, at)
        } else {
            events(&turn, at, self.form == Form::Silent)
        };
        (ended(acts, &turn, self.form).into(), Some(at))
    }
}

/// The message, up to where it ends.
fn ended(mut acts: Vec<Act>, turn: &Turn, form: Form) -> Vec<Act> {
    if turn.end != End::Finish {
        acts.truncate(turn.at.min(acts.len().saturating_sub(1)));
    }
    match turn.end {
        End::Finish | End::Nothing => {}
        End::Break => acts.push(Act::Break),
        End::Error if form != Form::Bytes => acts.push(Act::Break),
        End::Error => acts.push(Act::Send(
            b"data: {\"error\": {\"message\": \"overloaded\", \"code\": \"busy\"}}\n\n".to_vec(),
        )),
        End::Hang => acts.push(Act::Hang),
        End::NoChoice if form == Form::Bytes => {
            acts = vec![Act::Send(
                b"data: {\"choices\": []}\n\ndata: [DONE]\n\n".to_vec(),
            )];
        }
        End::NoChoice => acts.push(emit(ModelEvent::Finished(
            from_value(json!({"choices": []})).unwrap(),
        ))),
    }
    acts
}

fn completion(message: &Value, finish: Option<&str>) -> Completion {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    from_value(json!({"choices": [{"message": message, "finish_reason": finish}], "usage": usage}))
        .unwrap()
}

const TEXT: &str = "Let me see.";
const REFUSAL: &str = "I would rather not.";

fn events(turn: &Turn, at: usize, silent: bool) -> Vec<Act> {
    let calls = calls(turn, at);
    let mut acts = Vec::new();
    if !silent {
        acts.extend(turn.text.then(|| emit(ModelEvent::Text(TEXT.to_owned()))));
        if turn.interleaved {
            let parts: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(position, call)| parts(turn, at, position, call))
                .collect();
            let longest = parts.iter().map(Vec::len).max().unwrap_or_default();
            acts.extend(
                (0..longest)
                    .flat_map(|step| parts.iter().filter_map(move |acts| acts.get(step).cloned())),
            );
        } else {
            acts.extend(
                calls
                    .iter()
                    .enumerate()
                    .flat_map(|(position, call)| parts(turn, at, position, call)),
            );
        }
        acts.extend(
            turn.refusal
                .then(|| emit(ModelEvent::Refusal(REFUSAL.to_owned()))),
        );
    }
    acts.push(Act::Think(turn.pace));
    let mut message = json!({"role": "assistant", "content": turn.text.then_some(TEXT)});
    if !calls.is_empty() {
        message["tool_calls"] = calls.iter().map(|call| call.json(&call.total())).collect();
    }
    if turn.refusal {
        message["refusal"] = json!(REFUSAL);
    }
    acts.extend((0..calls.len()).map(|position| Act::Note(Note::Written(at, position))));
    acts.push(emit(ModelEvent::Finished(completion(
        &message,
        turn.finish,
    ))));
    acts
}

fn emit(event: ModelEvent) -> Act {
    Act::Emit(Box::new(event))
}

/// One call as it is written.
fn parts(turn: &Turn, at: usize, position: usize, call: &Wire) -> Vec<Act> {
    let complete = |text: &str| {
        emit(ModelEvent::ToolCallComplete {
            position,
            call: from_value(call.json(text)).unwrap(),
        })
    };
    let arguments = |delta: &str| {
        emit(ModelEvent::ToolCallDelta {
            position,
            delta: delta.to_owned(),
        })
    };
    let mut acts = vec![
        emit(ModelEvent::ToolCallStarted {
            position,
            name: call.name.clone(),
        }),
        Act::Think(turn.pace),
    ];
    let middle = call.text.len() / 2;
    acts.extend([
        arguments(&call.text[..middle]),
        Act::Think(turn.pace),
        arguments(&call.text[middle..]),
    ]);
    if call.whole {
        acts.push(Act::Note(Note::Written(at, position)));
        acts.push(complete(&call.text));
    }
    if let Some((reopens, more)) = &call.more {
        acts.extend([
            Act::Think(turn.pace),
            emit(ModelEvent::ToolCallReopened { position }),
            arguments(more),
        ]);
        if *reopens != super::plan::Reopens::Unfinished {
            acts.push(complete(&call.total()));
        }
    }
    acts
}

/// The chunks of the message, each with the calls whose arguments end in it.
pub(super) fn chunks(turn: &Turn, at: usize) -> Vec<(String, Vec<usize>)> {
    let calls = calls(turn, at);
    let chunk = |delta: Value, finish: Option<&str>| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        )
    };
    // Only the order of the pieces shows where free text ends.
    let style = if calls.iter().any(|call| call.custom) {
        Style::Canonical
    } else {
        turn.style
    };
    let mut chunks = vec![(
        chunk(
            json!({"role": "assistant", "content": turn.text.then_some(TEXT)}),
            None,
        ),
        Vec::new(),
    )];
    if style == Style::AllAtOnce {
        let entries: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(position, call)| entry(style, call, position, Some(&call.text), true))
            .collect();
        chunks.push((
            chunk(json!({"tool_calls": entries}), None),
            (0..calls.len()).collect(),
        ));
    } else {
        let parts = calls.iter().enumerate().flat_map(|(position, call)| {
            let pieces = if style == Style::Whole {
                vec![call.text.as_str()]
            } else {
                pieces(&call.text)
            };
            let last = pieces.len() - 1;
            let entries = pieces.into_iter().enumerate().map(move |(piece, text)| {
                (
                    piece,
                    entry(style, call, position, Some(text), piece == 0),
                    piece == last,
                )
            });
            entries
                .map(move |(_, entry, is_last)| {
                    (
                        json!({"tool_calls": [entry]}),
                        if is_last { vec![position] } else { Vec::new() },
                    )
                })
                .collect::<Vec<_>>()
        });
        chunks.extend(parts.map(|(delta, ends)| (chunk(delta, None), ends)));
    }
    chunks.extend(
        turn.refusal
            .then(|| (chunk(json!({"refusal": REFUSAL}), None), Vec::new())),
    );
    chunks.extend(
        turn.finish
            .map(|finish| (chunk(json!({}), Some(finish)), Vec::new())),
    );
    chunks.push((
        "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 1, \"total_tokens\": 2}}\n\n".to_owned(),
        Vec::new(),
    ));
    chunks.push(("data: [DONE]\n\n".to_owned(), Vec::new()));
    chunks
}

/// Nothing, then three pieces, the empty ones left out.
fn pieces(text: &str) -> Vec<&str> {
    let (first, second) = (text.len() / 3, text.len() * 2 / 3);
    let pieces = [&text[..first], &text[first..second], &text[second..]];
    std::iter::once("")
        .chain(pieces.into_iter().filter(|piece| !piece.is_empty()))
        .collect()
}

fn entry(style: Style, call: &Wire, position: usize, text: Option<&str>, is_first: bool) -> Value {
    let mut entry = json!({});
    match style {
        Style::Zero => entry["index"] = json!(0),
        Style::NoIndex => {}
        _ => entry["index"] = json!(position),
    }
    let key = if call.custom { "custom" } else { "function" };
    entry[key] = json!({ if call.custom { "input" } else { "arguments" }: text });
    if is_first || style == Style::Repeated {
        entry["id"] = json!(call.id);
        entry["type"] = json!(key);
        entry[key]["name"] = json!(call.name);
    }
    entry
}

fn bytes(turn: &Turn, at: usize) -> Vec<Act> {
    let sends = chunks(turn, at).into_iter().flat_map(|(chunk, ends)| {
        let mut acts: Vec<_> = ends
            .into_iter()
            .map(|position| Act::Note(Note::Written(at, position)))
            .collect();
        let (left, right) = chunk.as_bytes().split_at((turn.at * 7 + 3) % chunk.len());
        acts.extend([
            Act::Send(left.to_vec()),
            Act::Think(turn.pace),
            Act::Send(right.to_vec()),
        ]);
        acts
    });
    sends.collect()
}

/// What has been read of an answer.
struct Reading {
    acts: VecDeque<Act>,
    assembler: Option<ChatAssembler>,
    events: VecDeque<ModelEvent>,
    at: Option<usize>,
    log: Log,
}

impl Reading {
    /// Records what is about to be reported.
    fn note(&self, event: &ModelEvent) {
        let note = match event {
            ModelEvent::ToolCallComplete { call, .. } => Some(Note::Complete(numbers(
                call.custom
                    .as_ref()
                    .map_or(&call.function.arguments, |custom| &custom.input),
            ))),
            ModelEvent::Finished(_) => self.at.map(Note::Finished),
            _ => None,
        };
        self.log.lock().unwrap().extend(note);
    }

    async fn next(mut self) -> Option<(Result<ModelEvent, ModelError>, Self)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                self.note(&event);
                return Some((Ok(event), self));
            }
            match self.acts.pop_front() {
                Some(Act::Emit(event)) => {
                    self.note(&event);
                    return Some((Ok(*event), self));
                }
                Some(Act::Note(note)) => self.log.lock().unwrap().push(note),
                Some(Act::Think(millis)) => sleep(Duration::from_millis(millis)).await,
                Some(Act::Break) => {
                    self.assembler = None;
                    self.acts.clear();
                    return Some((Err(ModelError::Other("the connection broke".into())), self));
                }
                Some(Act::Hang) => {
                    self.log.lock().unwrap().push(Note::Hangs);
                    pending::<()>().await;
                }
                Some(Act::Send(bytes)) => match self.assembler.as_mut()?.push_bytes(&bytes) {
                    Ok(events) => self.events.extend(events),
                    Err(error) => {
                        self.assembler = None;
                        return Some((Err(error), self));
                    }
                },
                None => {
                    let mut assembler = self.assembler.take()?;
                    let completion = match assembler.close() {
                        Ok(events) => {
                            self.events.extend(events);
                            assembler.finish()
                        }
                        Err(error) => Err(error),
                    };
                    match completion {
                        Ok(completion) => {
                            self.events.push_back(ModelEvent::Finished(completion));
                        }
                        Err(error) => return Some((Err(error), self)),
                    }
                }
            }
        }
    }
}

impl ChatModel for Script {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        let mut stream = self.stream(request);
        Box::pin(async move {
            while let Some(event) = stream.next().await {
                if let ModelEvent::Finished(completion) = event? {
                    return Ok(completion);
                }
            }
            Err(ModelError::Other("there is no message".into()))
        })
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        let (acts, at) = self.next(request);
        let assembler = at
            .filter(|_| self.form == Form::Bytes)
            .map(|_| ChatAssembler::new());
        let reading = Reading {
            acts,
            assembler,
            events: VecDeque::new(),
            at,
            log: Arc::clone(&self.log),
        };
        Box::pin(stream::unfold(reading, Reading::next))
    }
}

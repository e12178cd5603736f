//! Tools made by `#[tool]`: what generated code declares, and the bridge from a call to the
//! function. Used by generated code.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde_json::Value;

use super::runnable::Runnable;
use super::set::ToolSet;
use crate::decode::{self, Arguments, Describe, Param};
use crate::model::{
    Behavior, CallContext, ErrorCode, OutputFormat, ToolDefinition, ToolError, ToolFuture,
    ToolOutput,
};
use crate::schema;

/// A type that `tools![…]` accepts, and the names it adds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "not a tool",
    note = "put `#[tool]` on the function, or `#[toolbox]` on the `impl` block of the type; a tool known only at run time is added with `ToolSet::with_tool`"
)]
pub trait Named {
    /// The names of its tools.
    const NAMES: &'static [&'static str];
}

/// A type that adds its tools to a set whose state is `S`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool, or not one for this state",
    label = "not a tool for this state",
    note = "put `#[tool]` on the function, or `#[toolbox]` on the `impl` block of the type, and into the state what its `#[state]` parameters ask for"
)]
pub trait Tools<S>: Named {
    /// Adds them.
    fn add_to(set: &mut ToolSet<S>);
}

/// The names seen so far by one `tools![…]`; checked while it compiles.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    before: Option<&'a Seen<'a>>,
    names: &'static [&'static str],
    /// A bit for each name: one that is not set spares the comparison with all of them, most of
    /// what a long list costs.
    filter: [u64; 16],
}

impl<'a> Seen<'a> {
    /// Nothing yet.
    pub const NOTHING: Self = Self {
        before: None,
        names: &[],
        filter: [0; 16],
    };

    /// One more entry.
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "runs only in constants, where a panic is a compile error at the repeated entry"
    )]
    pub const fn and(&'a self, names: &'static [&'static str]) -> Self {
        let mut filter = self.filter;
        let mut at = 0;
        while at < names.len() {
            let (word, bit) = place(names[at]);
            if filter[word] & bit != 0 && self.has(names[at]) {
                panic!(
                    "two tools of one name in one `tools![..]`; rename one with `#[tool(name = \"..\")]`, or keep two objects apart with `ToolSet::with_prefix`"
                );
            }
            filter[word] |= bit;
            at += 1;
        }
        Self {
            before: Some(self),
            names,
            filter,
        }
    }

    const fn has(&self, name: &str) -> bool {
        let mut seen = self;
        loop {
            let mut at = 0;
            while at < seen.names.len() {
                if same(name, seen.names[at]) {
                    return true;
                }
                at += 1;
            }
            match seen.before {
                Some(before) => seen = before,
                None => return false,
            }
        }
    }
}

/// The position of a name's bit: its hash (FNV-1a), modulo 1 024.
const fn place(name: &str) -> (usize, u64) {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name.as_bytes()[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    ((hash >> 6) as usize % 16, 1 << (hash % 64))
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// What a tool takes from the model.
#[derive(Clone, Copy, Debug)]
pub enum Params {
    /// An object with a property for each.
    Properties(&'static [&'static (dyn Describe + Sync)]),
    /// An object that one parameter describes; it is the only one.
    Whole(&'static [&'static (dyn Describe + Sync)]),
}

/// What the attribute says of one tool.
#[derive(Debug)]
pub struct Declaration {
    name: &'static str,
    title: Option<&'static str>,
    description: &'static str,
    params: Params,
    output: Option<fn() -> Value>,
    behavior: Behavior,
}

impl Declaration {
    /// A tool with every option left out.
    pub fn new(name: &'static str, description: &'static str, params: Params) -> Self {
        Self {
            name,
            title: None,
            description,
            params,
            output: None,
            behavior: Behavior::default(),
        }
    }

    /// A title for people.
    pub fn titled(self, title: &'static str) -> Self {
        Self {
            title: Some(title),
            ..self
        }
    }

    /// The schema of what it returns.
    pub fn structured(self, schema: fn() -> Value) -> Self {
        Self {
            output: Some(schema),
            ..self
        }
    }

    /// The options.
    pub fn behaves(mut self, behave: fn(&mut Behavior)) -> Self {
        behave(&mut self.behavior);
        self
    }
}

/// What `serialize_by` lists.
pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().copied().map(str::to_owned).collect()
}

type Run<S> = fn(FunctionCall<S>) -> ToolFuture<'static>;

/// Adds one tool: what it declares, and the function that runs a call of it.
pub fn declare<S: Send + Sync + 'static>(
    set: &mut ToolSet<S>,
    declaration: Declaration,
    run: Run<S>,
) {
    let Declaration {
        name,
        title,
        description,
        params,
        output,
        behavior,
    } = declaration;
    let (schema, null_means_absent) = match params {
        Params::Properties(params) => {
            let absent = params.iter().filter(|param| param.null_means_absent());
            let names = absent.map(|param| param.name()).collect();
            (schema::of_parameters(params), names)
        }
        Params::Whole(params) => (schema::of_object(params), Vec::new()),
    };
    let definition = ToolDefinition::declared(name, schema::trimmed(description), schema)
        .with_null_for_absent(null_means_absent)
        .with_checked_behavior(behavior);
    let definition = match title {
        Some(title) => definition.with_title(title),
        None => definition,
    };
    let definition = match output {
        Some(schema) => definition.with_checked_output_schema(schema()),
        None => definition,
    };
    set.declare(Declared {
        definition: Arc::new(definition),
        params,
        run,
    });
}

/// A tool that waits for its state.
pub(crate) struct Declared<S> {
    definition: Arc<ToolDefinition>,
    params: Params,
    run: Run<S>,
}

impl<S> Clone for Declared<S> {
    fn clone(&self) -> Self {
        Self {
            definition: Arc::clone(&self.definition),
            ..*self
        }
    }
}

impl<S: Send + Sync + 'static> Declared<S> {
    /// With a state of its own, or else with that of its caller.
    pub(crate) fn bind(&self, state: Option<Arc<S>>) -> Arc<dyn Runnable> {
        Arc::new(Bound {
            declared: self.clone(),
            state,
        })
    }
}

impl<S> Declared<S> {
    pub(crate) fn definition(&self) -> &Arc<ToolDefinition> {
        &self.definition
    }
}

/// A tool and its state; without, that of the call is its own.
struct Bound<S> {
    declared: Declared<S>,
    state: Option<Arc<S>>,
}

impl<S: Send + Sync + 'static> Bound<S> {
    #[inline]
    fn state<'a>(&'a self, context: &'a CallContext) -> Option<&'a S> {
        // A tool without state parameters runs with any state.
        let none: &dyn Any = &();
        match &self.state {
            Some(state) => Some(state),
            None => none.downcast_ref().or_else(|| context.state()),
        }
    }
}

impl<S: Send + Sync + 'static> Runnable for Bound<S> {
    fn start(&self) -> fn(CallContext) -> ToolFuture<'static> {
        |context| {
            let bound = context.runnable::<Self>();
            let run = bound.declared.run;
            if bound.state(&context).is_none() {
                return Box::pin(async { Err(without_state::<S>()) });
            }
            run(FunctionCall {
                context,
                state: PhantomData,
            })
        }
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        decode::check(
            arguments,
            self.params(),
            matches!(self.declared.params, Params::Whole(_)),
        )
    }

    fn params(&self) -> &'static [&'static (dyn Describe + Sync)] {
        let (Params::Properties(params) | Params::Whole(params)) = self.declared.params;
        params
    }
}

#[expect(
    clippy::expect_used,
    reason = "a call without the state is answered before it gets here"
)]
#[inline]
fn state_of<S: Send + Sync + 'static>(context: &CallContext) -> &S {
    let state = context.runnable::<Bound<S>>().state(context);
    state.expect("a call that runs has its state")
}

fn without_state<S>() -> ToolError {
    let state = std::any::type_name::<S>();
    let why = "not started: the program runs the tool without the state that it asks for";
    let source = format!("the state is a `{state}`: bind one with `Dispatcher::with_state`");
    ToolError::with_text(ErrorCode::NotStarted, why)
        .with_source(source)
        .undecoded()
}

/// One call on its way to the function.
pub struct FunctionCall<S> {
    context: CallContext,
    state: PhantomData<fn() -> S>,
}

impl<S: Send + Sync + 'static> FunctionCall<S> {
    /// The arguments, cut into one slot per declared parameter.
    #[inline]
    pub fn __tool_arguments(&self) -> Arguments<'_> {
        Arguments::read(
            self.context.arguments(),
            self.context.runnable::<Bound<S>>().params(),
        )
    }

    /// The arguments object, as one value.
    ///
    /// # Errors
    /// It is not an object, or not one of that type.
    pub fn __tool_whole<T>(&self, param: &Param<T>) -> Result<T, ToolError> {
        decode::whole(self.context.arguments(), param).map_err(ToolError::undecoded)
    }

    /// What `#[state]` parameters borrow from.
    #[inline]
    pub fn __tool_state(&self) -> &S {
        state_of(&self.context)
    }

    /// How the output is written.
    #[inline]
    pub fn __tool_output_format(&self) -> OutputFormat {
        self.context.output_format()
    }

    /// What a `#[context]` parameter is.
    pub fn __tool_context(&self) -> &CallContext {
        &self.context
    }

    /// Runs a synchronous function on the blocking pool.
    ///
    /// # Errors
    /// Those of the function.
    pub fn __tool_blocking<F>(&self, function: F) -> ToolFuture<'static>
    where
        F: FnOnce(&S, &CallContext) -> Result<ToolOutput, ToolError> + Send + 'static,
    {
        self.context
            .run_blocking(move |context| function(state_of(context), context))
    }
}

impl<S> fmt::Debug for FunctionCall<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionCall")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

//! How calls of a tool behave, as the attribute says.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::private;
use crate::attr::{RetryOption, TimeoutOption, ToolOptions};
use crate::model::ToolFn;

/// `.behaves(…)`, if there is anything to say.
pub(super) fn closure(tool: &ToolFn, options: &ToolOptions) -> Option<TokenStream> {
    let private = private(Span::call_site());
    let behavior = Ident::new("__tool_behavior", Span::mixed_site());
    let timeout = options.timeout.map(|timeout| match timeout {
        TimeoutOption::Never => quote!(#behavior.timeout = #private::Timeout::Never;),
        TimeoutOption::After(limit) => {
            let limit = duration(limit);
            quote!(#behavior.timeout = #private::Timeout::After(#limit);)
        }
    });
    let concurrency = options
        .concurrency
        .as_ref()
        .map(|calls| quote!(#behavior.concurrency = ::core::option::Option::Some(#calls);));
    let named = |name| {
        tool.arguments()
            .filter(move |(param, _)| param.ident.as_ref() == Some(name))
    };
    let keys = options
        .serialize_by
        .iter()
        .flat_map(named)
        .map(|(param, argument)| {
            let (cfgs, name) = (&param.cfgs, &argument.name.text);
            quote!(#(#cfgs)* #name)
        });
    let serialize_by = (!options.serialize_by.is_empty())
        .then(|| quote!(#behavior.serialize_by = #private::names(&[#(#keys),*]);));
    let retry = options.retry.as_ref().map(|retry| {
        let retry = self::retry(retry);
        quote!(#behavior.retry = ::core::option::Option::Some(#retry);)
    });
    let flags = [
        ("exclusive", &options.exclusive),
        ("remote", &options.remote),
        ("strict", &options.strict),
    ];
    let flags = flags.into_iter().filter_map(|(field, flag)| {
        let field = Ident::new(field, Span::call_site());
        flag.as_ref().map(|_| quote!(#behavior.#field = true;))
    });
    let hints = [
        ("read_only", &options.read_only),
        ("idempotent", &options.idempotent),
        ("destructive", &options.destructive),
        ("open_world", &options.open_world),
    ];
    let hints = hints.into_iter().filter_map(|(field, hint)| {
        let (field, value) = (Ident::new(field, Span::call_site()), hint.as_ref()?.value);
        Some(quote!(#behavior.#field = ::core::option::Option::Some(#value);))
    });
    let settings = quote!(#timeout #concurrency #serialize_by #retry #(#flags)* #(#hints)*);
    (!settings.is_empty()).then(|| quote!(.behaves(|#behavior| { #settings })))
}

fn retry(options: &RetryOption) -> TokenStream {
    let private = private(Span::call_site());
    let retry = Ident::new("__tool_retry", Span::mixed_site());
    let attempts = options
        .attempts
        .as_ref()
        .map(|attempts| quote!(#retry.attempts = #attempts;));
    let backoff = options
        .backoff
        .map(duration)
        .map(|pause| quote!(#retry.backoff = #pause;));
    let max_backoff = options
        .max_backoff
        .map(duration)
        .map(|pause| quote!(#retry.max_backoff = #pause;));
    let settings = quote!(#attempts #backoff #max_backoff);
    let new = quote!(<#private::Retry as ::core::default::Default>::default());
    if settings.is_empty() {
        new
    } else {
        quote!({ let mut #retry = #new; #settings #retry })
    }
}

fn duration(duration: Duration) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

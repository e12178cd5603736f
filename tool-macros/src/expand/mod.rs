//! Model to tokens. Cannot fail.

mod behavior;
mod linked;
mod param;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::slice;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Generics, ImplItem, ItemFn, ItemImpl, Meta, Path, Type};

use crate::model::{Param, ParamKind, ToolFn};
use crate::ty;

/// A function, the type of its name, and the registration of it. `item` is the function as it was,
/// without our attributes.
pub(crate) fn tool(item: &ItemFn, tool: &ToolFn) -> TokenStream {
    let ty = tool.options.type_name().unwrap_or(&item.sig.ident);
    let type_item = named_type(&item.vis, ty);
    let linked = tool
        .options
        .linked
        .as_ref()
        .map(|_| linked::entry(tool, ty));
    let registration = registration(
        &tool.options.krate(),
        &syn::parse_quote!(#ty),
        &Generics::default(),
        slice::from_ref(tool),
        &allowed(&item.attrs),
        linked,
    );
    quote!(#item #type_item #registration)
}

/// An `impl` block, and the registration of its tools under its type. `item` is the block as it
/// was, without our attributes.
pub(crate) fn toolbox(item: &ItemImpl, tools: &[ToolFn], krate: &Path) -> TokenStream {
    let of_methods = item.items.iter().flat_map(|inner| match inner {
        ImplItem::Fn(method) => method.attrs.as_slice(),
        _ => &[],
    });
    let allowed = allowed(item.attrs.iter().chain(of_methods));
    let registration = registration(krate, &item.self_ty, &item.generics, tools, &allowed, None);
    quote!(#item #registration)
}

/// The lints to allow in generated code: those that the function allows itself, and that of
/// deprecated items if it is one, since our call is not a use. Nothing else: a crate may forbid a
/// lint, and then no `allow` of it compiles.
fn allowed<'a>(attrs: impl IntoIterator<Item = &'a Attribute>) -> Vec<TokenStream> {
    let lints = |attr: &Attribute| match &attr.meta {
        Meta::List(list) if attr.path().is_ident("allow") || attr.path().is_ident("expect") => {
            Some(list.tokens.clone())
        }
        meta => {
            let says = meta.to_token_stream().to_string();
            let is_deprecated = attr.path().is_ident("deprecated")
                || attr.path().is_ident("cfg_attr") && says.contains("deprecated");
            is_deprecated.then(|| quote!(deprecated))
        }
    };
    let lints = attrs.into_iter().filter_map(lints);
    lints.map(|lints| quote!(#[allow(#lints)])).collect()
}

/// The impls that let `tools![…]` list a type.
fn registration(
    krate: &Path,
    ty: &Type,
    generics: &Generics,
    tools: &[ToolFn],
    allowed: &[TokenStream],
    linked: Option<TokenStream>,
) -> TokenStream {
    let private = private(Span::call_site());
    let holder = (!generics.params.is_empty()).then_some(ty);
    let emitted: Vec<Emitted> = tools
        .iter()
        .enumerate()
        .map(|(index, tool)| Emitted {
            tool,
            index,
            holder,
        })
        .collect();
    let (wrappers, params) = (
        emitted.iter().map(Emitted::wrappers),
        emitted.iter().map(Emitted::params),
    );
    let (provides, declare, set) = (provides(tools), emitted.iter().map(Emitted::declare), set());
    let names = tools.iter().map(|ToolFn { cfgs, name, .. }| {
        let name = &name.text;
        quote!(#(#cfgs)* #name)
    });
    let (of_type, _, of_type_where) = generics.split_for_impl();
    let params = match holder {
        None => quote!(#(#params)*),
        // Constants of an `impl` block, unlike those beside one, may depend on its type parameters.
        Some(_) => quote! {
            struct __ToolParams<__ToolOwner>(::core::marker::PhantomData<__ToolOwner>);

            #[automatically_derived]
            impl #of_type __ToolParams<#ty> #of_type_where {
                #(#params)*
            }
        },
    };
    let mut of_state = generics.clone();
    of_state.params.push(syn::parse_quote!(__ToolState));
    of_state
        .make_where_clause()
        .predicates
        .push(syn::parse_quote!(__ToolState: #provides));
    let (of_state, _, of_state_where) = of_state.split_for_impl();
    quote! {
        #(#allowed)*
        const _: () = {
            use #krate::__private as #private;
            use #private::{BoxFailure as _, DisplayFailure as _, PlainOutput as _};

            #(#wrappers)*
            #params

            #[automatically_derived]
            impl #of_type #private::Named for #ty #of_type_where {
                const NAMES: &'static [&'static ::core::primitive::str] = &[#(#names),*];
            }

            #[automatically_derived]
            impl #of_state #private::Tools<__ToolState> for #ty #of_state_where {
                fn add_to(#set: &mut #private::ToolSet<__ToolState>) {
                    #(#declare)*
                }
            }

            #linked
        };
    }
}

/// The root of every path in generated code, written at `span` so that rustc underlines what is
/// there.
fn private(span: Span) -> Ident {
    Ident::new("__tool_private", span)
}

fn set() -> Ident {
    Ident::new("__tool_set", Span::mixed_site())
}

/// A braced struct takes the name in the type namespace only: the function keeps it in the other.
pub(crate) fn named_type(vis: &syn::Visibility, name: &Ident) -> TokenStream {
    let name = of_macro(name);
    quote! {
        #[doc(hidden)]
        #vis struct #name {}
    }
}

/// The same name in the same place, but as ours: lints are silent about it.
fn of_macro(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(of_macro_at(name.span()));
    name
}

fn of_macro_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The bounds on the state of some tools.
fn provides<'t>(tools: impl IntoIterator<Item = &'t ToolFn>) -> TokenStream {
    let mut seen = HashSet::new();
    let types = tools
        .into_iter()
        .flat_map(ToolFn::state_types)
        .filter(|ty| seen.insert(ty.to_token_stream().to_string()));
    let provides = types.map(|ty| {
        let (private, ty) = (private(ty.span()), ty::without_elided_lifetimes(ty));
        quote_spanned!(private.span()=> #private::ProvideState<#ty> +)
    });
    quote!(#(#provides)* ::core::marker::Send + ::core::marker::Sync + 'static)
}

/// Where the type is written, behind its `&`.
fn target_span(ty: &Type) -> Span {
    ty::reference(ty).map_or_else(|| ty.span(), |reference| reference.elem.span())
}

/// A type without a bound is reported at each mention of a constant, but once for a static.
fn constant_keyword(is_associated: bool) -> TokenStream {
    if is_associated {
        quote!(const)
    } else {
        quote!(static)
    }
}

/// One tool among those that are emitted together.
struct Emitted<'t> {
    tool: &'t ToolFn,
    index: usize,
    /// The type that owns the constants of its parameters, if they are associated constants.
    holder: Option<&'t Type>,
}

impl Emitted<'_> {
    /// The parameters that the model writes, and the names of their constants.
    fn written(&self) -> impl Iterator<Item = (&Param, Ident)> {
        let written = self
            .tool
            .params
            .iter()
            .filter(|param| matches!(param.kind, ParamKind::Argument(_) | ParamKind::Whole));
        written.enumerate().map(|(position, param)| {
            // Every mention of a parameter is a place where rustc may find a bound missing.
            let span = Span::mixed_site().located_at(target_span(&param.ty));
            (
                param,
                format_ident!("__TOOL_PARAM_{}_{position}", self.index, span = span),
            )
        })
    }

    fn params_name(&self) -> Ident {
        format_ident!("__TOOL_PARAMS_{}", self.index, span = Span::mixed_site())
    }

    /// A constant from outside of its holder.
    fn path(&self, name: &Ident) -> TokenStream {
        match self.holder {
            Some(ty) => quote_spanned!(name.span()=> __ToolParams::<#ty>::#name),
            None => quote!(#name),
        }
    }

    fn wrappers(&self) -> TokenStream {
        let (cfgs, wrappers) = (
            &self.tool.cfgs,
            self.written()
                .filter_map(|(param, name)| param::wrapper_item(param, &name)),
        );
        wrappers.map(|wrapper| quote!(#(#cfgs)* #wrapper)).collect()
    }

    /// One constant for each parameter, and one for all of them.
    fn params(&self) -> TokenStream {
        let (private, of_method) = (private(Span::call_site()), &self.tool.cfgs);
        let each = self.written().map(|(param, name)| {
            let constant = param::constant(param, &name, self.holder.is_some());
            quote!(#(#of_method)* #constant)
        });
        let of_self = self.holder.map(|_| quote!(Self::));
        let names = self.written().map(|(param, name)| {
            let cfgs = &param.cfgs;
            quote_spanned!(name.span()=> #(#cfgs)* &#of_self #name)
        });
        let (keyword, all) = (constant_keyword(self.holder.is_some()), self.params_name());
        quote! {
            #(#each)*
            #(#of_method)*
            #keyword #all: &'static [&'static (dyn #private::Describe + ::core::marker::Sync)] = &[#(#names),*];
        }
    }

    /// `.structured(…)`, if the schema of what it returns is to be published.
    fn structured(&self) -> Option<TokenStream> {
        self.tool.options.structured.as_ref()?;
        let ty = ty::returned(&self.tool.sig.output)?;
        let private = private(ty.span());
        Some(
            quote_spanned!(ty.span()=> .structured(|| #private::Probe::<#ty>::of_type().__tool_kind().__tool_schema())),
        )
    }

    /// Adds the tool to a set.
    fn declare(&self) -> TokenStream {
        let private = private(Span::call_site());
        let ToolFn {
            cfgs,
            name,
            description,
            options,
            ..
        } = self.tool;
        let (set, name) = (set(), &name.text);
        let params = self.path(&self.params_name());
        let params = match self
            .tool
            .params
            .iter()
            .any(|param| matches!(param.kind, ParamKind::Whole))
        {
            true => quote!(#private::Params::Whole(#params)),
            false => quote!(#private::Params::Properties(#params)),
        };
        let title = options.title.as_ref().map(|title| quote!(.titled(#title)));
        let structured = self.structured();
        let behavior = behavior::closure(self.tool, options);
        let run = run::closure(self);
        quote! {
            #(#cfgs)*
            #private::declare(#set, #private::Declaration::new(#name, #description, #params) #title #structured #behavior, #run);
        }
    }
}

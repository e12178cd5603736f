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
use syn::{Generics, ItemFn, ItemImpl, Path, Type};

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
        linked,
    );
    quote!(#item #type_item #registration)
}

/// An `impl` block, and the registration of its tools under its type. `item` is the block as it
/// was, without our attributes.
pub(crate) fn toolbox(item: &ItemImpl, tools: &[ToolFn], krate: &Path) -> TokenStream {
    let registration = registration(krate, &item.self_ty, &item.generics, tools, None);
    quote!(#item #registration)
}

/// What makes a type stand for its tools.
fn registration(
    krate: &Path,
    ty: &Type,
    generics: &Generics,
    tools: &[ToolFn],
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
            #[allow(dead_code)] // never constructed
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
        // Lints that would speak of our code where the user's is meant: our call of a deprecated
        // tool is no use of it, a type that is too complex, or longer than it need be, has been
        // reported where it was written, and a default stands in a closure of ours.
        #[allow(deprecated, unused_qualifications, clippy::redundant_closure, clippy::type_complexity)]
        const _: () = {
            use #krate::__private as #private;
            #[allow(unused_imports)] // which of them applies depends on the return types
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

/// The root of every path in generated code, written at `span` so that rustc underlines what stands
/// there.
fn private(span: Span) -> Ident {
    Ident::new("__tool_private", span)
}

fn set() -> Ident {
    Ident::new("__tool_set", Span::mixed_site())
}

/// A braced struct takes the name in the type namespace only: the function keeps it in the other.
pub(crate) fn named_type(vis: &syn::Visibility, name: &Ident) -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unreachable_pub)] // named for the function, and never constructed
        #vis struct #name {}
    }
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
        quote_spanned!(private.span()=> #private::Provide<#ty> +)
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
    /// Whose constants its parameters are, if they do not stand by themselves.
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
            quote_spanned!(ty.span()=> .structured(|| #private::Probe::<#ty>::of_type().kind().schema())),
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

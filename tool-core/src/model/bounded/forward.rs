//! A serializer that passes on what it does not treat itself.

/// Methods that a field of the serializer answers: those named, and all that neither a string nor a
/// list nor content can be in.
macro_rules! forward {
    ($field:ident -> $ok:ty, $error:ty; $($method:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {
        $crate::model::bounded::forward::forward! { @each $field, $error;
            $($method($($argument: $ty),*) -> $result;)*
            serialize_bool(value: bool) -> $ok;
            serialize_i8(value: i8) -> $ok; serialize_i16(value: i16) -> $ok; serialize_i32(value: i32) -> $ok;
            serialize_i64(value: i64) -> $ok; serialize_i128(value: i128) -> $ok;
            serialize_u8(value: u8) -> $ok; serialize_u16(value: u16) -> $ok; serialize_u32(value: u32) -> $ok;
            serialize_u64(value: u64) -> $ok; serialize_u128(value: u128) -> $ok;
            serialize_f32(value: f32) -> $ok; serialize_f64(value: f64) -> $ok;
            serialize_bytes(value: &[u8]) -> $ok;
            serialize_none() -> $ok; serialize_unit() -> $ok; serialize_unit_struct(name: &'static str) -> $ok;
            serialize_tuple_struct(name: &'static str, length: usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Self::SerializeTupleVariant;
            serialize_map(length: Option<usize>) -> Self::SerializeMap;
            serialize_struct(name: &'static str, length: usize) -> Self::SerializeStruct;
            serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Self::SerializeStructVariant;
        }
    };
    (@each $field:ident, $error:ty; $($method:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => { $(
        #[inline]
        fn $method(self, $($argument: $ty),*) -> Result<$result, $error> {
            self.$field.$method($($argument),*)
        }
    )* };
}

pub(super) use forward;

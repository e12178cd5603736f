//! What targets share.

/// The bytes, cut after so many each.
pub fn cut<'b>(bytes: &'b [u8], cuts: &[u8]) -> Vec<&'b [u8]> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    for cut in cuts {
        let (part, behind) = rest.split_at(usize::from(*cut).min(rest.len()));
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

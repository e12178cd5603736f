use tool_core::{tool, tools};

/// Count the beds.
#[deprecated(note = "count the wards")]
#[tool]
fn count_beds() -> u32 {
    12
}

/// Count the wards.
#[tool]
#[must_use]
#[allow(non_snake_case)]
#[inline]
#[expect(unused_variables, reason = "shows that the lint reaches the body")]
async fn CountWards() -> u32 {
    let unused = 1;
    3
}

#[expect(
    unused_must_use,
    deprecated,
    reason = "shows that both attributes are kept"
)]
#[test]
fn is_accepted() {
    async {
        CountWards().await;
    };
    count_beds();
    assert_eq!(tools![count_beds, CountWards].len(), 2);
}

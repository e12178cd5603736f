fn main() {}

mod error_without_display {
    use tool_core::tool;

    struct NoSuchWard;

    /// Find a ward.
    #[tool]
    async fn find_ward(number: u32) -> Result<u32, NoSuchWard> {
        if number == 0 {
            Err(NoSuchWard)
        } else {
            Ok(number)
        }
    }
}

mod method_result_without_serialize {
    use tool_core::toolbox;

    struct Hospital;

    struct Ward;

    #[toolbox]
    impl Hospital {
        /// Find a ward.
        #[tool]
        async fn find_ward(&self) -> Ward {
            Ward
        }
    }
}

mod ok_without_serialize {
    use tool_core::tool;

    struct Ward;

    /// Find a ward.
    #[tool]
    fn find_ward(number: u32) -> Result<Ward, String> {
        Err(format!("there is no ward {number}"))
    }
}

mod result_without_serialize {
    use tool_core::tool;

    struct Ward;

    /// Find a ward.
    #[tool]
    async fn find_ward(number: u32) -> Ward {
        let _ = number;
        Ward
    }
}

mod structured_content {
    use tool_core::{Image, tool};

    /// Draw a chart.
    #[tool(structured)]
    async fn draw_chart() -> Image {
        Image::new("image/png", *b"png")
    }
}

mod structured_without_schema {
    use tool_core::tool;

    #[derive(tool_core::serde::Serialize)]
    #[serde(crate = "tool_core::serde")]
    struct Ward {
        beds: u32,
    }

    /// Get a ward.
    #[tool(structured)]
    async fn get_ward(number: u32) -> Result<Ward, std::io::Error> {
        Ok(Ward { beds: number })
    }
}

mod parts_without_serialize {
    use tool_core::tool;

    struct Ward;

    /// Find wards.
    #[tool]
    async fn find_wards() -> Result<Vec<Ward>, String> {
        Ok(Vec::new())
    }

    /// Find a ward.
    #[tool(structured)]
    async fn find_ward() -> Option<Ward> {
        None
    }

    /// Count the wards.
    #[tool]
    async fn count_wards() -> Result<u32, ()> {
        Ok(1)
    }
}

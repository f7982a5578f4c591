//! How a column lies in a row: what each database tells of its own.

use mec_kernel::{Amount, Code, Quantity, Time, TreeId};

/// One row's columns by their place. Text is also what JSON columns hold.
pub(crate) trait Cells {
    /// Why a column cannot be read.
    type Error;

    /// A column that does not hold what this program writes.
    fn damaged(&self, column: usize, problem: &str) -> Self::Error;
    fn optional_id(&self, column: usize) -> Result<Option<u128>, Self::Error>;
    fn optional_text(&self, column: usize) -> Result<Option<&str>, Self::Error>;
    fn optional_integer(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    fn optional_time(&self, column: usize) -> Result<Option<Time>, Self::Error>;
    /// A quantity as millionths.
    fn optional_millionths(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    /// A percentage as hundredths.
    fn optional_hundredths(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    /// A counter.
    fn optional_exact(&self, column: usize) -> Result<Option<Amount>, Self::Error>;
    fn optional_flag(&self, column: usize) -> Result<Option<bool>, Self::Error>;
    /// 16 bytes of a hash.
    fn optional_hash(&self, column: usize) -> Result<Option<[u8; 16]>, Self::Error>;

    fn there<T>(&self, column: usize, value: Option<T>) -> Result<T, Self::Error> {
        value.ok_or_else(|| self.damaged(column, "nothing where something must be"))
    }

    fn id(&self, column: usize) -> Result<u128, Self::Error> {
        self.there(column, self.optional_id(column)?)
    }

    fn tree(&self, column: usize) -> Result<TreeId, Self::Error> {
        u32::try_from(self.integer(column)?)
            .map(TreeId)
            .map_err(|_| self.damaged(column, "no number of a tree"))
    }

    fn text(&self, column: usize) -> Result<&str, Self::Error> {
        self.there(column, self.optional_text(column)?)
    }

    fn integer(&self, column: usize) -> Result<i64, Self::Error> {
        self.there(column, self.optional_integer(column)?)
    }

    fn time(&self, column: usize) -> Result<Time, Self::Error> {
        self.there(column, self.optional_time(column)?)
    }

    fn exact(&self, column: usize) -> Result<Amount, Self::Error> {
        self.there(column, self.optional_exact(column)?)
    }

    fn flag(&self, column: usize) -> Result<bool, Self::Error> {
        self.there(column, self.optional_flag(column)?)
    }

    fn hash(&self, column: usize) -> Result<[u8; 16], Self::Error> {
        self.there(column, self.optional_hash(column)?)
    }

    fn optional_small(&self, column: usize) -> Result<Option<i32>, Self::Error> {
        let number = self.optional_integer(column)?;
        number
            .map(|number| {
                i32::try_from(number)
                    .map_err(|_| self.damaged(column, "a number of more than 32 bits"))
            })
            .transpose()
    }

    fn small(&self, column: usize) -> Result<i32, Self::Error> {
        self.there(column, self.optional_small(column)?)
    }

    fn optional_code(&self, column: usize) -> Result<Option<Code>, Self::Error> {
        Ok(self.optional_text(column)?.map(Code::from))
    }

    fn code(&self, column: usize) -> Result<Code, Self::Error> {
        self.text(column).map(Code::from)
    }

    fn optional_quantity(&self, column: usize) -> Result<Option<Quantity>, Self::Error> {
        let quantity = |millionths| {
            Quantity::from_millionths(millionths)
                .ok_or_else(|| self.damaged(column, "a quantity of more than 12 digits"))
        };
        self.optional_millionths(column)?.map(quantity).transpose()
    }

    fn quantity(&self, column: usize) -> Result<Quantity, Self::Error> {
        self.there(column, self.optional_quantity(column)?)
    }

    /// A member of a closed list.
    fn member<T>(
        &self,
        column: usize,
        from_code: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Self::Error> {
        let code = self.text(column)?;
        from_code(code)
            .ok_or_else(|| self.damaged(column, &format!("\"{code}\" is no code of this column")))
    }
}

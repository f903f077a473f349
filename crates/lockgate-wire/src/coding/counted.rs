//! Memory that brotli takes, counted as it is handed out and comes back.

use std::cell::Cell;
use std::rc::Rc;

use brotli::enc::BrotliAlloc;
use brotli::{Allocator, SliceWrapper, SliceWrapperMut};

/// Hands memory out, and knows how much of it is out.
#[derive(Clone, Default)]
pub(super) struct Counting(Rc<Cell<usize>>);

/// A piece of memory that is out.
pub(super) struct Counted<T> {
    cells: Box<[T]>,
    /// None where it is empty.
    out: Option<Counting>,
}

impl Counting {
    /// Bytes that are out.
    pub fn bytes(&self) -> usize {
        self.0.get()
    }
}

impl<T: Clone + Default> Allocator<T> for Counting {
    type AllocatedMemory = Counted<T>;

    fn alloc_cell(&mut self, len: usize) -> Counted<T> {
        if len == 0 {
            return Counted::default();
        }
        let cells = vec![T::default(); len].into_boxed_slice();
        self.0.set(self.0.get() + size_of_val(&*cells));
        Counted {
            cells,
            out: Some(self.clone()),
        }
    }

    // It comes back as it is dropped, whoever does that.
    fn free_cell(&mut self, _: Counted<T>) {}
}

impl BrotliAlloc for Counting {}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self {
            cells: Box::default(),
            out: None,
        }
    }
}

impl<T> SliceWrapper<T> for Counted<T> {
    fn slice(&self) -> &[T] {
        &self.cells
    }
}

impl<T> SliceWrapperMut<T> for Counted<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.cells
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        if let Some(Counting(out)) = &self.out {
            out.set(out.get() - size_of_val(&*self.cells));
        }
    }
}

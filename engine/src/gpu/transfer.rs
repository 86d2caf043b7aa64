//! Buffers, and how their contents come down.

use super::{Device, DeviceError};
use std::sync::mpsc;
use std::time::Duration;

/// How long results that have been computed may take to be handed over.
const PATIENCE: Duration = Duration::from_secs(60);

/// A buffer of `size` bytes.
pub(super) fn allocate(device: &Device, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, DeviceError> {
    let size = size.next_multiple_of(4).max(4);
    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    device.guarded("allocating buffers", || device.device.create_buffer(&descriptor))
}

/// Makes a buffer hold `size` bytes; what it held is lost where it grows.
pub(super) fn grow(
    device: &Device,
    buffer: &mut wgpu::Buffer,
    size: u64,
    usage: wgpu::BufferUsages,
) -> Result<(), DeviceError> {
    if buffer.size() < size {
        buffer.destroy();
        *buffer = allocate(device, size, usage)?;
    }
    Ok(())
}

/// What a policy's buffer is for.
pub(super) const POLICY: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST);

/// Sends the numbers of a policy up, or says what `help`s where they are too many.
pub(super) fn send_policy(
    device: &Device,
    buffer: &mut wgpu::Buffer,
    words: &[u32],
    help: &'static str,
) -> Result<(), DeviceError> {
    let (size, limit) = (4 * words.len() as u64, device.info().largest_column);
    if size > limit {
        let what = "the size of the policy's table".to_owned();
        return Err(DeviceError::Limit { what, needed: size, limit, help });
    }
    grow(device, buffer, size, POLICY)?;
    device.guarded("uploading the policy", || device.queue.write_buffer(buffer, 0, bytemuck::cast_slice(words)))
}

/// Something that comes down: a part of a buffer, and where it goes.
pub(super) struct Piece<'a> {
    pub(super) from: &'a wgpu::Buffer,
    pub(super) offset: u64,
    pub(super) to: &'a mut [u32],
}

/// Takes pieces down at once; together they fit `staging`.
pub(super) fn fetch(device: &Device, staging: &wgpu::Buffer, pieces: &mut [Piece<'_>]) -> Result<(), DeviceError> {
    let mut place = 0;
    let submission = device.guarded("copying columns", || {
        let mut encoder = device.device.create_command_encoder(&Default::default());
        for piece in pieces.iter() {
            let size = size_of_val(piece.to) as u64;
            encoder.copy_buffer_to_buffer(piece.from, piece.offset, staging, place, size);
            place += size;
        }
        device.queue.submit([encoder.finish()])
    })?;
    with_words(device, staging, place, submission, |mut words| {
        for piece in pieces {
            let (mine, rest) = words.split_at(piece.to.len());
            piece.to.copy_from_slice(mine);
            words = rest;
        }
    })
}

/// Lends the first `size` bytes of a buffer that a submission fills.
pub(super) fn with_words(
    device: &Device,
    staging: &wgpu::Buffer,
    size: u64,
    submission: wgpu::SubmissionIndex,
    read: impl FnOnce(&[u32]),
) -> Result<(), DeviceError> {
    let doing = "reading results";
    let failed = |message: String| DeviceError::Failed { doing, message };
    let slice = staging.slice(..size);
    let (sender, receiver) = mpsc::channel();
    device.guarded(doing, || {
        slice.map_async(wgpu::MapMode::Read, move |mapped| {
            // The receiver waits below, unless the device is gone.
            let _ = sender.send(mapped);
        });
    })?;
    device.wait(submission)?;
    // Another thread that waits on the same device may be the one that is told, a moment later.
    let mapped = receiver.recv_timeout(PATIENCE).map_err(|error| failed(error.to_string()))?;
    mapped.map_err(|error| failed(error.to_string()))?;
    let view = slice.get_mapped_range().map_err(|error| failed(error.to_string()))?;
    read(bytemuck::cast_slice(&view));
    drop(view);
    staging.unmap();
    Ok(())
}

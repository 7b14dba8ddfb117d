//! Frames between controller and agent, cut at any place. The first byte is the length of a piece.
#![no_main]

use imgbuild_proto::Decoder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let read = |size: usize| {
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        for piece in bytes.chunks(size.max(1)) {
            decoder.push(piece);
            loop {
                match decoder.next_frame::<serde_json::Value>() {
                    Ok(Some(frame)) => frames.push((frame.head, frame.body)),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error.to_string())),
                }
            }
        }
        (frames, None)
    };
    // How the bytes arrive makes no difference.
    assert_eq!(read(usize::from(*first)), read(bytes.len()));
});

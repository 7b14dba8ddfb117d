//! Randomness: `random`, `shuffle`. With a seed the numbers are those of Python's `random.Random(seed)` (Mersenne Twister).

use super::{Call, Table, refuse};
use crate::eval::{Cx, fail};
use crate::val::{R, Val};
use sha2::{Digest as _, Sha512};

pub(super) const TABLE: Table = &[("random", random), ("shuffle", shuffle)];

/// A source of random words: seeded, or the host's.
pub(crate) enum Generator<'c, 'a> {
    Seeded(Box<Twister>),
    Fresh(&'c Cx<'a>),
}

/// MT19937.
pub(crate) struct Twister {
    state: [u32; 624],
    at: usize,
}

impl Twister {
    fn init(seed: u32) -> Twister {
        let mut state = [0u32; 624];
        state[0] = seed;
        for i in 1..624 {
            let last = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Twister { state, at: 624 }
    }

    fn init_by_array(key: &[u32]) -> Twister {
        let mut t = Twister::init(19_650_218);
        let s = &mut t.state;
        let (mut i, mut j) = (1, 0);
        for _ in 0..key.len().max(624) {
            let last = s[i - 1];
            s[i] = (s[i] ^ (last ^ (last >> 30)).wrapping_mul(1_664_525)).wrapping_add(key[j]).wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i >= 624 {
                s[0] = s[623];
                i = 1;
            }
        }
        for _ in 0..623 {
            let last = s[i - 1];
            s[i] = (s[i] ^ (last ^ (last >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i >= 624 {
                s[0] = s[623];
                i = 1;
            }
        }
        s[0] = 0x8000_0000;
        t
    }

    /// From a big-endian number, as Python seeds from text and integers.
    fn from_big_endian(bytes: &[u8]) -> Twister {
        let trimmed: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        let mut key: Vec<u32> =
            trimmed.rchunks(4).map(|chunk| chunk.iter().fold(0u32, |word, b| word << 8 | u32::from(*b))).collect();
        if key.is_empty() {
            key.push(0);
        }
        Twister::init_by_array(&key)
    }

    /// As Python seeds from a text.
    fn of_text(text: &[u8]) -> Twister {
        Twister::from_big_endian(&[text, &Sha512::digest(text)[..]].concat())
    }

    fn next(&mut self) -> u32 {
        if self.at >= 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let mag = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ mag;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

impl<'c, 'a> Generator<'c, 'a> {
    /// Not seeded.
    pub fn fresh(cx: &'c Cx<'a>) -> Self {
        Generator::Fresh(cx)
    }

    /// As `random.Random(seed)`.
    pub fn seeded(cx: &Cx<'_>, seed: &Val) -> R<Generator<'c, 'a>> {
        let twister = match seed {
            Val::Str(_) | Val::Bytes(_) => {
                let text = match seed {
                    Val::Bytes(b) => b.to_vec(),
                    other => cx.text(other)?.into_bytes(),
                };
                Twister::of_text(&text)
            }
            other => match other.as_int() {
                Some(i) => Twister::from_big_endian(&i.unsigned_abs().to_be_bytes()),
                None => match other.as_float() {
                    // Whole floats hash like integers; others are no seeds that Python promises anything about.
                    Some(f) if f.fract() == 0.0 => Twister::from_big_endian(&(f.abs() as u128).to_be_bytes()),
                    Some(f) => Twister::from_big_endian(&f.to_bits().to_be_bytes()),
                    None => {
                        return Err(fail(
                            "The only supported seed types are: None, int, float, str, bytes, and bytearray.",
                        ));
                    }
                },
            },
        };
        Ok(Generator::Seeded(Box::new(twister)))
    }

    /// `bits` random bits, at most 64.
    fn bits(&mut self, bits: u32) -> u64 {
        let mut word = || match self {
            Generator::Seeded(t) => t.next(),
            Generator::Fresh(cx) => {
                let mut bytes = [0; 4];
                cx.templar.host().random(&mut bytes);
                u32::from_le_bytes(bytes)
            }
        };
        match bits {
            0 => 0,
            1..=32 => u64::from(word() >> (32 - bits)),
            _ => {
                let low = u64::from(word());
                low | u64::from(word() >> (64 - bits)) << 32
            }
        }
    }

    /// A number below `n`, as `Random._randbelow` picks it.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let bits = 64 - n.leading_zeros();
        loop {
            let r = self.bits(bits);
            if r < n {
                return r;
            }
        }
    }

    /// `random.shuffle`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

/// Python's `random.Random(seed)` for lookups that make texts.
pub struct SeededRandom(Generator<'static, 'static>);

impl SeededRandom {
    /// From a text.
    pub fn new(seed: &str) -> Self {
        SeededRandom(Generator::Seeded(Box::new(Twister::of_text(seed.as_bytes()))))
    }

    /// A number below `n`, as `choice` and `randrange` pick it; 0 of nothing.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }
}

fn generator<'c, 'a>(cx: &'c Cx<'a>, seed: Option<&Val>) -> R<Generator<'c, 'a>> {
    match seed {
        Some(seed) => Generator::seeded(cx, seed),
        None => Ok(Generator::fresh(cx)),
    }
}

fn random(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["start", "step", "seed"])?;
    let mut source = generator(c.cx, bound.some(2))?;
    if let Some(end) = c.input.as_int() {
        let start = i128::from(bound.int_or(0, 0)?);
        let step = i128::from(bound.int_or(1, 1)?);
        let step = if step == 0 { 1 } else { step };
        let width = end - start;
        let n = if step > 0 { (width + step - 1).div_euclid(step) } else { (width + step + 1) / step };
        let Some(n) = u64::try_from(n).ok().filter(|n| *n > 0) else {
            return refuse(format!("empty range in randrange({start}, {end}, {step})"));
        };
        return Ok(Val::int(start + step * i128::from(source.below(n))));
    }
    if bound.some(0).is_some_and(Val::truth) || bound.some(1).is_some_and(Val::truth) {
        return refuse("start and step can only be used with integer values");
    }
    if let Some(range) = crate::functions::as_range(&c.input) {
        let n = c.cx.len(&c.input)?;
        if n == 0 {
            return refuse("Cannot choose from an empty sequence");
        }
        return Ok(range.at(source.below(n as u64) as usize));
    }
    let items = match c.cx.items(&c.input) {
        Ok(items) => items,
        Err(_) => return refuse("random can only be used on sequences and integers"),
    };
    if items.is_empty() {
        return refuse("Cannot choose from an empty sequence");
    }
    Ok(items[source.below(items.len() as u64) as usize].clone())
}

fn shuffle(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["seed"])?;
    let mut items = match c.cx.items(&c.input) {
        Ok(items) => items,
        Err(_) => return Ok(c.input),
    };
    generator(c.cx, bound.some(0).filter(|s| s.truth()))?.shuffle(&mut items);
    Ok(Val::list(items))
}

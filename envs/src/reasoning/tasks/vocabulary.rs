//! Characters as tokens.
//!
//! A sequence is a prompt, a response, [`EOS`], then [`PAD`] to the end.

use std::fmt;

/// Every character of a prompt or an answer, in the order of their tokens.
pub const ALPHABET: &str = "0123456789abcdefghsrpqxABCDEF+-*=;,()&|!?>";

/// Fills up behind the end.
pub const PAD: u8 = 0;
/// Ends a response.
pub const EOS: u8 = 1;
/// Characters have tokens from here on.
const FIRST: u8 = 2;
/// How many tokens there are.
pub const VOCABULARY: usize = ALPHABET.len() + FIRST as usize;

/// A response that has not ended within so many tokens, [`EOS`] among them, is truncated and earns nothing.
pub const MOST_TOKENS: usize = 13;
/// Tokens of the longest prompt and the longest response together, rounded up.
pub const CONTEXT: usize = 40;

/// The tokens of a text.
pub fn encode(text: &str) -> Result<Vec<u8>, NotInAlphabet> {
    let token = |(at, character): (usize, char)| match ALPHABET.find(character) {
        Some(place) => Ok(place as u8 + FIRST),
        None => Err(NotInAlphabet { character, column: at + 1 }),
    };
    text.chars().enumerate().map(token).collect()
}

/// The text of tokens that are all characters; `None` where one is not.
pub fn decode(tokens: &[u8]) -> Option<String> {
    let character = |token: &u8| {
        let place = token.checked_sub(FIRST)?;
        ALPHABET.as_bytes().get(usize::from(place)).map(|&byte| char::from(byte))
    };
    tokens.iter().map(character).collect()
}

/// The response that generated tokens are: what is before the first [`EOS`], which must be among the first
/// [`MOST_TOKENS`]. `None` where it is truncated or has tokens in it that are no characters: such a response earns 0.
pub fn finished(tokens: &[u8]) -> Option<String> {
    let end = tokens.iter().take(MOST_TOKENS).position(|&token| token == EOS)?;
    decode(&tokens[..end])
}

/// A character that has no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInAlphabet {
    /// The character.
    pub character: char,
    /// Where it stands, from 1.
    pub column: usize,
}

impl fmt::Display for NotInAlphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in column {} has no token: the alphabet is {ALPHABET}", self.character, self.column)
    }
}

impl std::error::Error for NotInAlphabet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_42_characters_and_two_controls() {
        let mut characters: Vec<char> = ALPHABET.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        assert_eq!((characters.len(), ALPHABET.len(), VOCABULARY), (42, 42, 44));
    }

    #[test]
    fn texts_become_tokens_and_back() {
        let tokens = encode(ALPHABET).expect("all of the alphabet");
        assert!(tokens.iter().map(|&token| usize::from(token)).eq(2..VOCABULARY));
        assert_eq!(decode(&tokens).as_deref(), Some(ALPHABET));
        assert_eq!(encode("5 + 3"), Err(NotInAlphabet { character: ' ', column: 2 }));
        assert_eq!(encode("5é"), Err(NotInAlphabet { character: 'é', column: 2 }));
        assert_eq!((decode(&[PAD]), decode(&[EOS]), decode(&[44]), decode(&[255])), (None, None, None, None));
    }

    #[test]
    fn responses_end_in_time() {
        let eight = encode("8").expect("a digit")[0];
        let mut tokens = vec![eight; 12];
        assert_eq!(finished(&tokens), None);
        tokens.push(EOS);
        assert_eq!(finished(&tokens).as_deref(), Some("888888888888"));
        tokens.insert(0, eight);
        assert_eq!(finished(&tokens), None, "one token too late");
        assert_eq!(finished(&[EOS, 77]).as_deref(), Some(""));
        assert_eq!(finished(&[eight, PAD, EOS]), None);
        assert_eq!(finished(&[]), None);
    }
}

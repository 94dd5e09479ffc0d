//! Characters to tokens, each with its place.

use crate::error::{Error, Result};

/// Longest formula, in characters.
const LONGEST: usize = 10_000;
/// Characters shown on either side of an error.
const SHOWN: usize = 50;

/// What a formula is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// A number.
    Number(f64),
    /// A band, a constant or a function.
    Name(&'a str),
    /// One of `+ - * / ** ( ) ,`; `^` is read as `**`.
    Sign(&'static str),
    /// The end of the formula.
    End,
}

/// A token, its text, and the number of characters before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexeme<'a> {
    /// What it is.
    pub token: Token<'a>,
    /// As it was written.
    pub text: &'a str,
    /// Characters before it.
    pub at: usize,
}

const SIGNS: [(&str, &str); 9] =
    [("**", "**"), ("^", "**"), ("*", "*"), ("/", "/"), ("+", "+"), ("-", "-"), ("(", "("), (")", ")"), (",", ",")];

/// Reads the tokens of a formula from left to right.
pub(super) struct Lexer<'a> {
    formula: &'a str,
    rest: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Refuses a formula that is too long.
    pub fn new(formula: &'a str) -> Result<Self> {
        match formula.char_indices().nth(LONGEST) {
            None => Ok(Self { formula, rest: formula, at: 0 }),
            Some((byte, found)) => {
                let here = Lexeme { token: Token::End, text: &formula[byte..byte + found.len_utf8()], at: LONGEST };
                Err(wrong(formula, &here, format!("the end: a formula has at most {LONGEST} characters")))
            }
        }
    }

    /// The formula that is read.
    pub fn formula(&self) -> &'a str {
        self.formula
    }

    /// The next token; [`Token::End`] at the end, however often it is asked for.
    pub fn next(&mut self) -> Result<Lexeme<'a>> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.take(blank);
        let at = self.at;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Lexeme { token: Token::End, text: "", at });
        };
        if first.is_ascii_digit() || first == '.' {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let text = self.take(length_while(self.rest, |c| c.is_ascii_alphanumeric() || c == '_'));
            return Ok(Lexeme { token: Token::Name(text), text, at });
        }
        match SIGNS.iter().find(|(written, _)| self.rest.starts_with(written)) {
            Some((written, sign)) => Ok(Lexeme { token: Token::Sign(sign), text: self.take(written.len()), at }),
            None => {
                let text = self.take(first.len_utf8());
                let here = Lexeme { token: Token::End, text, at };
                Err(wrong(self.formula, &here, "a number, a name, an operator or a parenthesis"))
            }
        }
    }

    fn number(&mut self) -> Result<Lexeme<'a>> {
        let at = self.at;
        let text = self.take(number_length(self.rest));
        let value = text.parse().unwrap_or(f64::NAN);
        let lexeme = Lexeme { token: Token::Number(value), text, at };
        if value.is_finite() { Ok(lexeme) } else { Err(wrong(self.formula, &lexeme, "a finite number")) }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.at += taken.chars().count();
        taken
    }
}

/// Bytes at the start of `text` that make a number: digits, a point, an exponent if it has digits.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| length_while(&text[from..], |c| c.is_ascii_digit());
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end += 1 + digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let signed = end + 1 + usize::from(text[end + 1..].starts_with(['+', '-']));
        if digits(signed) > 0 {
            end = signed + digits(signed);
        }
    }
    end
}

fn length_while(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// The error that points at `here`.
pub(super) fn wrong(formula: &str, here: &Lexeme<'_>, want: impl Into<String>) -> Error {
    let got = if here.text.is_empty() { "the end".to_owned() } else { format!("'{}'", shortened(here.text)) };
    let first = here.at.saturating_sub(SHOWN);
    let shown = formula.chars().skip(first).take(here.at - first + SHOWN);
    let line: String = shown.map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let pointed = format!("{line}\n{}^", " ".repeat(here.at - first));
    Error::Formula { got, at: here.at + 1, want: want.into(), pointed }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).chain("...".chars()).collect()
    }
}

//! Tokens to the steps of a stack machine, by recursive descent of bounded depth.

use super::arithmetic::{Binary, Unary};
use super::lexer::{Lexeme, Lexer, Token, wrong};
use crate::error::{Error, Result};

/// Most parentheses, signs and powers inside each other.
const DEEPEST: usize = 100;
const OPERAND: &str = "a number, a band or '('";

/// One step of a stack machine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Push a number.
    Number(f64),
    /// Push a band or a constant.
    Symbol(Lexeme<'a>),
    /// Change the sign of the top.
    Negate,
    /// Replace the top.
    Unary(Unary),
    /// Replace the upper two.
    Binary(Binary),
}

/// The steps that leave the value of `formula` on the stack.
pub(super) fn parse(formula: &str) -> Result<Vec<Step<'_>>> {
    let mut lexer = Lexer::new(formula)?;
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, depth: 0, steps: Vec::new() };
    parser.sum()?;
    match parser.next.token {
        Token::End => Ok(parser.steps),
        _ => Err(parser.wrong("an operator or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Lexeme<'a>,
    depth: usize,
    steps: Vec<Step<'a>>,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<()> {
        self.chain(Self::product, &[("+", Binary::Add), ("-", Binary::Subtract)])
    }

    fn product(&mut self) -> Result<()> {
        self.chain(Self::signed, &[("*", Binary::Multiply), ("/", Binary::Divide)])
    }

    /// Operands joined by operators of one rank, from left to right.
    fn chain(&mut self, operand: fn(&mut Self) -> Result<()>, operators: &[(&'static str, Binary)]) -> Result<()> {
        operand(self)?;
        while let Some(&(_, operator)) = operators.iter().find(|(sign, _)| self.next.token == Token::Sign(sign)) {
            self.advance()?;
            operand(self)?;
            self.steps.push(Step::Binary(operator));
        }
        Ok(())
    }

    /// An operand with signs before it. Every recursion comes through here, so that this bounds the depth.
    fn signed(&mut self) -> Result<()> {
        if self.depth == DEEPEST {
            return Err(self.wrong(&format!("at most {DEEPEST} parentheses, signs and powers inside each other")));
        }
        self.depth += 1;
        if self.accept("-")? {
            self.signed()?;
            self.steps.push(Step::Negate);
        } else if self.accept("+")? {
            self.signed()?;
        } else {
            self.power()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn power(&mut self) -> Result<()> {
        self.operand()?;
        if self.accept("**")? {
            self.signed()?;
            self.steps.push(Step::Binary(Binary::Power));
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<()> {
        let here = self.next;
        match here.token {
            Token::Number(value) => {
                self.steps.push(Step::Number(value));
                self.advance()
            }
            Token::Name(_) => {
                self.advance()?;
                if self.accept("(")? {
                    return self.call(here);
                }
                self.steps.push(Step::Symbol(here));
                Ok(())
            }
            Token::Sign("(") => {
                self.advance()?;
                self.sum()?;
                self.expect(")", "an operator or ')'")
            }
            _ => Err(self.wrong(OPERAND)),
        }
    }

    /// The arguments of function `name`, after its '('.
    fn call(&mut self, name: Lexeme<'a>) -> Result<()> {
        let Some(function) = Function::named(name.text) else {
            return Err(wrong(self.lexer.formula(), &name, format!("a function ({})", Function::names())));
        };
        self.sum()?;
        let mut count = 1;
        while self.accept(",")? {
            self.sum()?;
            count += 1;
            if let Function::Fold(operation) = function {
                self.steps.push(Step::Binary(operation));
            }
        }
        if count != 1 && matches!(function, Function::Of(_)) || count < 2 && matches!(function, Function::Fold(_)) {
            return Err(wrong(self.lexer.formula(), &name, function.arity(count)));
        }
        if let Function::Of(operation) = function {
            self.steps.push(Step::Unary(operation));
        }
        self.expect(")", "an operator, ',' or ')'")
    }

    fn accept(&mut self, sign: &'static str) -> Result<bool> {
        let found = self.next.token == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &'static str, want: &str) -> Result<()> {
        if self.accept(sign)? { Ok(()) } else { Err(self.wrong(want)) }
    }

    fn advance(&mut self) -> Result<()> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn wrong(&self, want: &str) -> Error {
        wrong(self.lexer.formula(), &self.next, want)
    }
}

/// What a function does with its arguments.
#[derive(Clone, Copy)]
enum Function {
    /// Takes one.
    Of(Unary),
    /// Takes two or more, from left to right.
    Fold(Binary),
}

const FUNCTIONS: [(&str, Function); 7] = [
    ("sqrt", Function::Of(Unary::Sqrt)),
    ("abs", Function::Of(Unary::Abs)),
    ("min", Function::Fold(Binary::Minimum)),
    ("max", Function::Fold(Binary::Maximum)),
    ("exp", Function::Of(Unary::Exp)),
    ("ln", Function::Of(Unary::Ln)),
    ("log10", Function::Of(Unary::Log10)),
];

impl Function {
    fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|&(_, function)| function)
    }

    fn names() -> String {
        FUNCTIONS.map(|(name, _)| name).join(", ")
    }

    fn arity(self, count: usize) -> String {
        let want = if matches!(self, Self::Of(_)) { "one argument" } else { "two arguments or more" };
        format!("{want} (got {count})")
    }
}

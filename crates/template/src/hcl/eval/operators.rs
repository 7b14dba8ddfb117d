//! Operators: operands are converted to numbers or booleans; `==` compares without conversion.

use super::{Evaluator, nothing};
use crate::hcl::convert::convert;
use crate::hcl::number::Number;
use crate::hcl::scope::Scope;
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use hcl_edit::Span as _;
use hcl_edit::expr::{BinaryOp, BinaryOperator, Expression, UnaryOp, UnaryOperator};

impl Evaluator<'_> {
    pub(super) fn unary(&mut self, op: &UnaryOp, scope: &Scope<'_>) -> Value {
        let value = self.expression(&op.expr, scope);
        let (ty, what) = match op.operator.value() {
            UnaryOperator::Neg => (Type::Number, "a number"),
            UnaryOperator::Not => (Type::Bool, "a bool"),
        };
        let Some(value) = self.operand(value, &ty, &format!("the operand must be {what}"), &op.expr) else {
            return nothing();
        };
        let sensitive = value.is_sensitive();
        let result = match (value.as_number(), value.as_bool()) {
            (Some(number), _) => number.neg().into(),
            (_, Some(flag)) => Value::from(!flag),
            _ => Value::unknown(ty),
        };
        result.sensitive_if(sensitive)
    }

    pub(super) fn binary(&mut self, op: &BinaryOp, whole: &Expression, scope: &Scope<'_>) -> Value {
        use BinaryOperator as B;
        match op.operator.value() {
            B::And => self.logical(op, false, scope),
            B::Or => self.logical(op, true, scope),
            B::Eq | B::NotEq => {
                let left = self.expression(&op.lhs_expr, scope);
                let right = self.expression(&op.rhs_expr, scope);
                let sensitive = left.has_sensitive() || right.has_sensitive();
                let wanted = *op.operator.value() == B::Eq;
                if !self.gone_through(std::slice::from_ref(&left), whole) {
                    return nothing();
                }
                let result =
                    left.equals(&right).map_or_else(|| Value::unknown(Type::Bool), |e| Value::from(e == wanted));
                result.sensitive_if(sensitive)
            }
            operator => self.arithmetic(op, *operator, whole, scope),
        }
    }

    /// `&&` and `||`: an operand that decides makes the other one not matter, errors included.
    fn logical(&mut self, op: &BinaryOp, decisive: bool, scope: &Scope<'_>) -> Value {
        let left = self.expression(&op.lhs_expr, scope);
        let left = self.operand(left, &Type::Bool, "the left operand must be a bool", &op.lhs_expr);
        if let Some(value) = &left
            && value.as_bool() == Some(decisive)
        {
            return value.clone();
        }
        let (right, errors) = self.apart(|inner| {
            let right = inner.expression(&op.rhs_expr, scope);
            inner.operand(right, &Type::Bool, "the right operand must be a bool", &op.rhs_expr)
        });
        // An unknown left operand may still decide: what is wrong on the right is not said yet.
        if left.as_ref().is_none_or(Value::is_known) {
            self.diags.extend(errors);
        }
        let (Some(left), Some(right)) = (left, right) else { return Value::unknown(Type::Bool) };
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let result = match (left.as_bool(), right.as_bool()) {
            (Some(_), Some(right)) => Value::from(right),
            (None, Some(right)) if right == decisive => Value::from(decisive),
            _ => Value::unknown(Type::Bool),
        };
        result.sensitive_if(sensitive)
    }

    fn arithmetic(&mut self, op: &BinaryOp, operator: BinaryOperator, whole: &Expression, scope: &Scope<'_>) -> Value {
        use BinaryOperator as B;
        let left = self.expression(&op.lhs_expr, scope);
        let right = self.expression(&op.rhs_expr, scope);
        let left = self.operand(left, &Type::Number, "the left operand must be a number", &op.lhs_expr);
        let right = self.operand(right, &Type::Number, "the right operand must be a number", &op.rhs_expr);
        let (Some(left), Some(right)) = (left, right) else { return nothing() };
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let compares = matches!(operator, B::Less | B::LessEq | B::Greater | B::GreaterEq);
        let (Some(a), Some(b)) = (left.as_number(), right.as_number()) else {
            let ty = if compares { Type::Bool } else { Type::Number };
            return Value::unknown(ty).sensitive_if(sensitive);
        };
        let number = |number: Option<Number>| number.map(Value::from);
        let result = match operator {
            B::Less => Some(Value::from(a < b)),
            B::LessEq => Some(Value::from(a <= b)),
            B::Greater => Some(Value::from(a > b)),
            B::GreaterEq => Some(Value::from(a >= b)),
            B::Plus => Some(a.add(b).into()),
            B::Minus => Some(a.sub(b).into()),
            B::Mul => Some(a.mul(b).into()),
            B::Div => number(a.div(b)),
            B::Mod => number(a.rem(b)),
            B::Eq | B::NotEq | B::And | B::Or => None,
        };
        match result {
            Some(result) => result.sensitive_if(sensitive),
            None => self.fail("Division by zero", whole.span()),
        }
    }

    /// An operand of this type. None: it is wrong, which has been said.
    pub(super) fn operand(&mut self, value: Value, ty: &Type, wanted: &str, at: &Expression) -> Option<Value> {
        let sensitive = value.is_sensitive();
        if value.is_null() {
            self.fail(format!("Invalid operand: {wanted}, not null"), at.span());
            return None;
        }
        match convert(&value, ty) {
            Ok(value) => Some(value.sensitive_if(sensitive)),
            Err(_) => {
                self.fail(format!("Invalid operand: {wanted}, not {}", value.kind()), at.span());
                None
            }
        }
    }
}

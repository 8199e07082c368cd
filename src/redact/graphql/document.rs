//! A document's syntax, without what says nothing here: types of conditions, descriptions, comments.

use std::collections::HashMap;
use std::sync::Arc;

use apollo_parser::{Parser, cst};

use super::{MAX_SELECTIONS, MAX_TOKENS};
use crate::redact::Denied;

/// Names and their values, shared by every place that a fragment is spread to.
pub(in crate::redact) type Arguments = Arc<Vec<(String, Value)>>;

/// A document that holds operations and fragments only.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Definition>,
    pub(super) fragments: HashMap<String, Vec<Selection>>,
}

/// An operation.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    pub(super) variables: HashMap<String, Variable>,
    /// What its directives say.
    pub(super) arguments: Arguments,
    pub(super) selections: Vec<Selection>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// A variable, as it is declared.
#[derive(Clone, Debug)]
pub(in crate::redact) struct Variable {
    /// Its type is the schema's own, so that its texts may be the words of an enumeration.
    pub(in crate::redact) is_own_type: bool,
    pub(in crate::redact) default: Option<Value>,
}

/// What is selected, with the arguments of the field and of its directives.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) arguments: Arguments,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Field { key: String, name: String, inside: Option<Vec<Selection>> },
    Spread(String),
    Inline(Vec<Selection>),
}

/// A value as it is written.
#[derive(Clone, Debug)]
pub(in crate::redact) enum Value {
    Null,
    /// A number with a fraction, or a truth value.
    Scalar,
    Text(String),
    Enum(String),
    Variable(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Denied::Graphql`] where it is none, is too large, has a name twice, defines types, or asks for an answer in parts.
    pub(super) fn read(text: &str) -> Result<Self, Denied> {
        let tree = Parser::new(text).recursion_limit(MAX_SELECTIONS).token_limit(MAX_TOKENS).parse();
        if tree.errors().len() > 0 {
            return Err(Denied::Graphql);
        }
        let mut document = Self::default();
        for definition in tree.document().definitions() {
            match definition {
                cst::Definition::OperationDefinition(operation) => {
                    let operation = Definition::read(&operation)?;
                    if document.operations.iter().any(|other| other.name == operation.name) {
                        return Err(Denied::Graphql);
                    }
                    document.operations.push(operation);
                }
                cst::Definition::FragmentDefinition(fragment) => {
                    let name = name(fragment.fragment_name().and_then(|name| name.name()))?;
                    silent(fragment.directives())?;
                    let selections = selections(fragment.selection_set())?;
                    if document.fragments.insert(name, selections).is_some() {
                        return Err(Denied::Graphql);
                    }
                }
                _ => return Err(Denied::Graphql),
            }
        }
        Ok(document)
    }
}

impl Definition {
    fn read(operation: &cst::OperationDefinition) -> Result<Self, Denied> {
        let kind = match operation.operation_type() {
            None => Kind::Query,
            Some(kind) if kind.query_token().is_some() => Kind::Query,
            Some(kind) if kind.mutation_token().is_some() => Kind::Mutation,
            Some(_) => Kind::Subscription,
        };
        let declared =
            operation.variable_definitions().into_iter().flat_map(|all| all.variable_definitions());
        let variables = declared.map(|variable| {
            let default = variable.default_value().map(|default| value(default.value())).transpose()?;
            silent(variable.directives())?;
            let read = Variable { is_own_type: !is_built_in(variable.ty()), default };
            Ok((name(variable.variable().and_then(|it| it.name()))?, read))
        });
        let variables: Vec<(String, Variable)> = variables.collect::<Result<_, Denied>>()?;
        let count = variables.len();
        let variables: HashMap<String, Variable> = variables.into_iter().collect();
        if variables.len() < count {
            return Err(Denied::Graphql);
        }
        Ok(Self {
            kind,
            name: operation.name().map(|it| it.text().to_string()),
            variables,
            arguments: Arc::new(directives(operation.directives())?),
            selections: selections(operation.selection_set())?,
        })
    }
}

/// One of the five scalars of every schema, or a list of one.
fn is_built_in(ty: Option<cst::Type>) -> bool {
    let name = match ty {
        Some(cst::Type::NamedType(named)) => named.name(),
        Some(cst::Type::ListType(list)) => return is_built_in(list.ty()),
        Some(cst::Type::NonNullType(inner)) => match (inner.named_type(), inner.list_type()) {
            (Some(named), _) => named.name(),
            (None, Some(list)) => return is_built_in(list.ty()),
            (None, None) => None,
        },
        None => None,
    };
    let name = name.map(|name| name.text().to_string());
    matches!(name.as_deref(), Some("String" | "ID" | "Int" | "Float" | "Boolean"))
}

fn selections(set: Option<cst::SelectionSet>) -> Result<Vec<Selection>, Denied> {
    let set = set.ok_or(Denied::Graphql)?;
    set.selections().map(|selection| selected(&selection)).collect()
}

fn selected(selection: &cst::Selection) -> Result<Selection, Denied> {
    let (what, own, said) = match selection {
        cst::Selection::Field(field) => {
            let named = name(field.name())?;
            let key = match field.alias() {
                Some(alias) => name(alias.name())?,
                None => named.clone(),
            };
            let inside = field.selection_set().map(|set| selections(Some(set))).transpose()?;
            (What::Field { key, name: named, inside }, arguments(field.arguments())?, field.directives())
        }
        cst::Selection::FragmentSpread(spread) => {
            let named = name(spread.fragment_name().and_then(|it| it.name()))?;
            (What::Spread(named), Vec::new(), spread.directives())
        }
        cst::Selection::InlineFragment(inline) => {
            (What::Inline(selections(inline.selection_set())?), Vec::new(), inline.directives())
        }
    };
    let mut all = own;
    all.extend(directives(said)?);
    Ok(Selection { arguments: Arc::new(all), what })
}

/// What directives say. An answer that `@defer` and `@stream` take apart cannot be judged as one.
fn directives(all: Option<cst::Directives>) -> Result<Vec<(String, Value)>, Denied> {
    let mut said = Vec::new();
    for directive in all.into_iter().flat_map(|all| all.directives()) {
        if matches!(name(directive.name())?.as_str(), "defer" | "stream") {
            return Err(Denied::Graphql);
        }
        said.extend(arguments(directive.arguments())?);
    }
    Ok(said)
}

/// Directives where no field is whose arguments theirs could be judged as.
fn silent(all: Option<cst::Directives>) -> Result<(), Denied> {
    if directives(all)?.is_empty() { Ok(()) } else { Err(Denied::Graphql) }
}

fn arguments(all: Option<cst::Arguments>) -> Result<Vec<(String, Value)>, Denied> {
    let all = all.into_iter().flat_map(|all| all.arguments());
    all.map(|argument| Ok((name(argument.name())?, value(argument.value())?))).collect()
}

fn value(written: Option<cst::Value>) -> Result<Value, Denied> {
    Ok(match written.ok_or(Denied::Graphql)? {
        cst::Value::Variable(variable) => Value::Variable(name(variable.name())?),
        cst::Value::StringValue(text) => Value::Text(String::from(&text)),
        cst::Value::IntValue(number) => {
            Value::Text(number.int_token().map(|token| token.text().to_owned()).ok_or(Denied::Graphql)?)
        }
        cst::Value::FloatValue(_) | cst::Value::BooleanValue(_) => Value::Scalar,
        cst::Value::NullValue(_) => Value::Null,
        cst::Value::EnumValue(word) => Value::Enum(name(word.name())?),
        cst::Value::ListValue(list) => {
            Value::List(list.values().map(|item| value(Some(item))).collect::<Result<_, _>>()?)
        }
        cst::Value::ObjectValue(object) => {
            let members =
                object.object_fields().map(|field| Ok((name(field.name())?, value(field.value())?)));
            Value::Object(members.collect::<Result<_, Denied>>()?)
        }
    })
}

fn name(name: Option<cst::Name>) -> Result<String, Denied> {
    name.map(|name| name.text().to_string()).filter(|text| !text.is_empty()).ok_or(Denied::Graphql)
}

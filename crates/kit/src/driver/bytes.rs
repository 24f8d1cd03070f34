//! Requests that are about bytes alone.

use puro::Setting;
use puro::Token;
use puro::internals::block::{
    Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Cause, Link, Place,
};
use puro::internals::codec::{crc, put_varint, split_varint};
use puro::internals::header::{HeaderCause, SegmentHeader};
use puro::internals::record::Fields as RecordFields;
use puro::internals::state::is_name;
use serde_json::{Value, json};

use super::fields::{NewRecordFields, shown};
use super::{Answer, Fields, Refusal, hex};

/// The answer, if it is a request of these.
pub fn answer(word: &str, fields: &Fields<'_>) -> Option<Answer> {
    Some(match word {
        "crc" => fields.bytes("bytes").map(|bytes| json!({"crc": crc(&bytes)})),
        "varint" => varint(fields),
        "to_varint" => to_varint(fields),
        "header" => header(fields),
        "to_header" => to_header(fields),
        "start" => start(fields),
        "block" => block(fields),
        "to_block" => to_block(fields),
        "records" => records(fields),
        "to_record" => to_record(fields),
        "setting" => setting(fields),
        "name" => name(fields),
        "token" => token(fields),
        _ => return None,
    })
}

fn varint(fields: &Fields<'_>) -> Answer {
    let bytes = fields.bytes("bytes")?;
    let split = split_varint(&bytes).ok_or_else(|| Refusal::new("damaged", "no varint"));
    split.map(|(value, rest)| json!({"value": value, "length": bytes.len() - rest.len()}))
}

fn to_varint(fields: &Fields<'_>) -> Answer {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, fields.number("value")?);
    Ok(json!({"bytes": hex(&bytes)}))
}

fn header(fields: &Fields<'_>) -> Answer {
    let bytes = fields.bytes("bytes")?;
    if bytes.len() < 8 {
        return Err(Refusal::new("foreign", "shorter than the magic"));
    }
    let header = SegmentHeader::decode(&bytes, fields.truth("write")).map_err(|cause| {
        let word = match cause {
            HeaderCause::Foreign => "foreign",
            HeaderCause::Damaged(_) => "damaged",
            HeaderCause::Newer(_) => "newer",
        };
        Refusal::new(word, cause)
    })?;
    Ok(json!({
        "stream_id": hex(&header.stream_id), "base_offset": header.base_offset,
        "created": header.created_ms, "sequence": header.sequence,
        "generation": header.generation, "epoch": header.epoch,
    }))
}

fn to_header(fields: &Fields<'_>) -> Answer {
    let mut header = SegmentHeader {
        stream_id: fields.sixteen("stream_id")?.unwrap_or_default(),
        base_offset: fields.number("base_offset")?,
        created_ms: fields.number("created")?,
        sequence: fields.number("sequence")?,
        generation: fields.number("generation")?,
        epoch: fields.number("epoch")?,
        ..SegmentHeader::default()
    };
    Ok(json!({"bytes": hex(&header.encode())}))
}

fn place(fields: &Fields<'_>) -> Result<Place, Refusal> {
    Ok(Place { header_crc: fields.number("header_crc")?, position: fields.number("position")? })
}

fn shown_start(start: &BlockStart) -> Value {
    json!({
        "kind": start.kind as u8, "flags": u8::from(start.has_control),
        "body_len": start.body_len, "record_count": start.record_count,
        "prev_crc": start.prev_crc, "first_offset": start.first_offset,
        "timestamp": start.timestamp_ms, "durable_to": start.durable_to, "epoch": start.epoch,
    })
}

fn start(fields: &Fields<'_>) -> Answer {
    let found = BlockStart::stands_at(&fields.bytes("bytes")?, place(fields)?);
    let none = || Refusal::new("damaged", "no start stands here");
    found.map(|start| shown_start(&start)).ok_or_else(none)
}

fn block(fields: &Fields<'_>) -> Answer {
    let (bytes, place) = (fields.bytes("bytes")?, place(fields)?);
    let link = Link {
        prev_crc: fields.number("prev_crc")?,
        next_offset: fields.number("next_offset")?,
        may_jump: fields.number::<u32>("generation")? > 0,
    };
    let decoded = BlockStart::decode(&bytes, place);
    let verified = decoded.and_then(|start| Block::verify(&bytes, start));
    let nothing = bytes.len() < 48 || verified.as_ref().err() == Some(&Cause::End);
    let (is, block) = match verified {
        _ if nothing => ("nothing", None),
        Err(_) => ("invalid", None),
        Ok(block) if !link.leads_to(&block.start) => ("valid", Some(block)),
        Ok(block) if !block.start.committed => ("good", Some(block)),
        Ok(block) => ("committed", Some(block)),
    };
    Ok(json!({
        "is": is, "start": block.map(|block| shown_start(&block.start)),
        "crc": block.map(|block| block.crc),
    }))
}

fn kind(fields: &Fields<'_>) -> Result<BlockKind, Refusal> {
    let kinds = [BlockKind::Records, BlockKind::Checkpoint, BlockKind::SegmentEnd];
    let number: u8 = fields.number("kind")?;
    let found = kinds.into_iter().find(|kind| *kind as u8 == number);
    found.ok_or_else(|| Refusal::new("refused", "no kind of block"))
}

fn to_block(fields: &Fields<'_>) -> Answer {
    let body = fields.bytes("body")?;
    let mut builder = BlockBuilder::default();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (record, after) = RecordFields::split(rest).map_err(|e| Refusal::new("refused", e))?;
        builder.push(&record.to_new()).map_err(|error| Refusal::new("refused", error))?;
        rest = after;
    }
    let meta = BlockMeta {
        kind: kind(fields)?,
        link: Link {
            prev_crc: fields.number("prev_crc")?,
            next_offset: fields.number("first_offset")?,
            may_jump: false,
        },
        timestamp_ms: fields.number("timestamp")?,
        durable_to: fields.number("durable_to")?,
        epoch: fields.number("epoch")?,
        committed: fields.number::<u8>("signal")? == 0xA5,
    };
    let built = builder.finish(&meta, place(fields)?);
    let built = built.map_err(|error| Refusal::new("refused", error))?;
    Ok(json!({"bytes": hex(built.bytes)}))
}

fn records(fields: &Fields<'_>) -> Answer {
    let body = fields.bytes("body")?;
    let start = BlockStart {
        committed: true,
        kind: kind(fields)?,
        has_control: fields.truth("control"),
        body_len: body.len(),
        record_count: fields.number("record_count")?,
        prev_crc: 0,
        first_offset: fields.number("first_offset")?,
        timestamp_ms: 0,
        durable_to: 0,
        epoch: 1,
        start_crc: 0,
    };
    let block = Block { start, body: &body, crc: 0 };
    block.check_records().map_err(|cause| Refusal::new("damaged", cause))?;
    let (mut rest, mut offset, mut list) = (&body[..], start.first_offset, Vec::new());
    while !rest.is_empty() {
        let split = RecordFields::split(rest);
        let (record, after) = split.map_err(|cause| Refusal::new("damaged", cause))?;
        if !record.control {
            let held =
                NewRecordFields { topic: record.topic, key: record.key, value: record.value };
            let mut shown = shown(&held, record.headers.iter());
            shown.insert("offset".into(), offset.into());
            list.push(shown);
        }
        offset += record.spanned_offsets().unwrap_or_default();
        rest = after;
    }
    Ok(json!({"records": list}))
}

fn to_record(fields: &Fields<'_>) -> Answer {
    let record = fields.record()?;
    let record = record.to_new();
    record.check().map_err(|error| Refusal::new("refused", error))?;
    let mut builder = BlockBuilder::default();
    builder.push(&record).map_err(|error| Refusal::new("refused", error))?;
    let length = builder.body_len();
    let link = Link { prev_crc: 0, next_offset: 0, may_jump: false };
    let meta = BlockMeta {
        kind: BlockKind::Records,
        link,
        timestamp_ms: 0,
        durable_to: 0,
        epoch: 1,
        committed: true,
    };
    let built = builder.finish(&meta, Place { header_crc: 0, position: 0 });
    let built = built.map_err(|error| Refusal::new("refused", error))?;
    let body = built.block.body;
    Ok(json!({"bytes": hex(&body[body.len() - length..])}))
}

/// What of a setting holds where this entry stands (F-53).
fn setting(fields: &Fields<'_>) -> Answer {
    let (name, value) = (fields.bytes("name")?, fields.bytes("value")?);
    let (Ok(name), value) = (str::from_utf8(&name), str::from_utf8(&value)) else {
        return Ok(json!({"value": null}));
    };
    let set = value.ok().and_then(|value| Setting::parse(name, value).ok());
    let default = || Setting::defaults().into_iter().find(|default| default.name() == name);
    Ok(json!({"value": set.or_else(default).map(|setting| setting.value())}))
}

fn name(fields: &Fields<'_>) -> Answer {
    let name = fields.text("name")?;
    if is_name(name) { Ok(json!({})) } else { Err(Refusal::new("refused", "no name")) }
}

fn token(fields: &Fields<'_>) -> Answer {
    let token: Token = fields.text("text")?.parse().map_err(|e| Refusal::new("refused", e))?;
    Ok(json!({
        "stream_id": token.stream_id.to_string(), "epoch": token.epoch, "offset": token.offset,
        "text": token.to_string(),
    }))
}

# frozen_string_literal: true

require "json"

module Kit
  # Requests that look at bytes alone.
  module Bytes
    HEADER = %i[base_offset created sequence generation epoch].freeze
    START = %i[kind flags body_len record_count prev_crc first_offset timestamp durable_to epoch].freeze

    # Bytes that are put as a file is, from some position on.
    Image = Struct.new(:bytes, :from) do
      def pread(length, at) = bytes.byteslice(at - from, length) || "".b
    end

    # What a block is to continue.
    Before = Struct.new(:crc, :next_offset)

    def do_crc(request) = { crc: Puro::Crc32c.of(bytes(request["bytes"])) }

    def do_varint(request)
      value, length = Puro::Varint.decode(bytes(request["bytes"]))
      { value: value, length: length }
    end

    def do_to_varint(request) = { bytes: hex(Puro::Varint.encode(request["value"])) }

    def do_header(request)
      header = Puro::Header.parse(bytes(request["bytes"]), write: request["write"] || false)
      { stream_id: hex(header.stream_id) }.merge(HEADER.to_h { |name| [name, header[name]] })
    end

    def do_to_header(request)
      fields = HEADER.to_h { |name| [name, request[name.to_s]] }
      { bytes: hex(Puro::Header.new(stream_id: bytes(request["stream_id"]), **fields).encode) }
    end

    def do_start(request)
      start = Puro::Start.standing(bytes(request["bytes"]), request["header_crc"], request["position"])
      raise Puro::Damaged, "no start stands there" unless start

      start_fields(start)
    end

    def do_block(request)
      at = request["position"]
      found = Puro::Block.check(Image.new(bytes(request["bytes"]), at), at, request["header_crc"], request["generation"],
                                Before.new(request["prev_crc"], request["next_offset"]))
      answer = { is: found.is }
      answer.merge!(start: start_fields(found.start), crc: found.crc) if found.valid?
      answer
    end

    def do_to_block(request)
      fields = %w[kind record_count prev_crc first_offset timestamp durable_to epoch].to_h { |name| [name.to_sym, request[name]] }
      block, = Puro::Block.encode(request["header_crc"], request["position"], bytes(request["body"]),
                                  flags: request["control"] ? 1 : 0, **fields)
      block.setbyte(0, request["signal"])
      { bytes: hex(block) }
    end

    def do_records(request)
      start = Puro::Start.new(kind: request["kind"], flags: request["control"] ? 1 : 0, timestamp: 0,
                              record_count: request["record_count"], first_offset: request["first_offset"])
      { records: Puro::Body.records(bytes(request["body"]), start, request["generation"]).map { |record| shown(record) } }
    end

    def do_to_record(request) = { bytes: hex(record(request).encode) }

    def do_setting(request) = { value: Puro::Settings.holds(bytes(request["name"]), bytes(request["value"])) }

    def do_name(request)
      Puro::Names.check(request["name"])
      {}
    end

    def do_token(request)
      token = Puro::Token.parse(request["text"])
      { stream_id: hex(token.stream_id), epoch: token.epoch, offset: token.offset, text: token.to_s }
    end

    private

    def bytes(hex) = hex && [hex].pack("H*")
    def hex(bytes) = bytes&.unpack1("H*")
    def start_fields(start) = START.to_h { |name| [name, start[name]] }

    def record(given)
      headers = given["headers"]&.map { |pair| pair.map { |part| bytes(part) } }
      Puro::Record.new(topic: bytes(given["topic"]), key: bytes(given["key"]), value: bytes(given["value"]), headers: headers)
    end

    def shown(record, time: false)
      { topic: hex(record.topic), key: hex(record.key), value: hex(record.value), offset: record.offset,
        headers: record.headers&.map { |pair| pair.map { |part| hex(part) } },
        time: (record.time if time) }.compact
    end
  end
end

# frozen_string_literal: true

module Kit
  # Requests that open a stream.
  module Directories
    def do_info(request)
      with_reader(request) do |reader|
        chain = reader.active_chain
        { stream_id: hex(reader.stream_id), segment: chain.segment.sequence, end: chain.position,
          next_offset: chain.next_offset, epoch: chain.state.newest_epoch.number,
          state: chain.state.sorted.map { |entry| entry.map { |part| hex(part) } } }
      end
    end

    def do_classify(request)
      with_reader(request) do |reader|
        segment = Puro::Segment.open(reader.directory, Puro::Listing.new(reader.directory).active)
        found = Puro::Diagnosis.new(Puro::Chain.scan(segment), world(request))
        { label: found.label, end: found.position, length: found.length }
      ensure
        segment&.close
      end
    end

    def do_read(request)
      with_reader(request) do |reader|
        reader.seek(place(request["from"]))
        topics = request["topics"]&.map { |topic| bytes(topic) }
        records = []
        ended = read_all(reader) { |record| records << shown(record, time: true) if topics.nil? || topics.include?(record.topic) }
        { records: records, token: reader.token.to_s, then: ended }
      end
    end

    def do_verify(request)
      { verdict: Puro::Verifier.verify(request["dir"], world: world(request), deep: request["deep"] || false,
                                                       lock_seconds: lock_seconds(request)).verdict }
    end

    def do_create(request)
      { made: Puro::Creation.create(request["dir"], settings: request["settings"] || {}, world: world(request),
                                                    lock_seconds: lock_seconds(request)) }
    end

    def do_append(request)
      with_handle(request) do |producer|
        options = { durable: request["durable"], identity: request["identity"], sequence: request["sequence"],
                    if_end: request["if_end"] && Puro::Token.parse(request["if_end"]) }
        done = producer.append((request["records"] || []).map { |given| record(given) }, **options)
        { first_offset: done.first_offset, count: done.count, duplicate: (true if done.duplicate) }
      end
    end

    def do_set(request)
      with_handle(request) { |producer| producer.set(request["name"], request["value"]) }
      {}
    end

    def do_repair(request)
      with_handle(request) do |producer|
        { repairs: producer.repair.map { |done| { label: done.label, position: done.position } } }
      end
    end

    def do_consume(request)
      with_handle(request) do |consumer|
        records = []
        while records.size < (request["take"] || Float::INFINITY) && (record = consumer.next_record)
          records << shown(record, time: true)
        end
        consumer.commit((request["records"] || []).map { |given| record(given) }) if request["commit"]
        { records: records, token: consumer.token.to_s }
      end
    end

    def do_close(request)
      handles.delete(request["handle"])&.first&.close
      {}
    end

    private

    def world(request)
      Puro::World.new(clock: request["clock"], boot: bytes(request["boot"]), random: bytes(request["random"]))
    end

    def lock_seconds(request) = (request["lock_ms"] || 10_000) / 1000.0

    def place(from)
      case from
      when nil, "beginning" then :beginning
      when "end" then :end
      when Integer then from
      when /\A@(\d+)\z/ then [:time, Regexp.last_match(1).to_i]
      else Puro::Token.parse(from)
      end
    end

    # "end", or the word of the error that ended it.
    def read_all(reader)
      while (record = reader.next_record)
        yield record
      end
      "end"
    rescue Puro::Error => e
      e.word
    rescue SystemCallError
      "system"
    end

    def with_reader(request)
      reader = Puro::Reader.new(Puro::Stream.directory(request["dir"]), world(request), lock_seconds(request))
      yield reader
    ensure
      reader&.close
    end

    def handles = @handles ||= {}

    # A handle that is kept, its clock being the request's, or one for this request.
    def with_handle(request)
      name = request["handle"]
      kept, kept_world = handles[name]
      unless kept
        kept_world = world(request)
        kept = open(request, kept_world)
        handles[name] = [kept, kept_world] if name
      end
      kept_world.clock = request["clock"]
      kept.lock_seconds = lock_seconds(request)
      yield kept
    ensure
      kept&.close unless name
    end

    def open(request, world)
      if request["do"] == "consume"
        # A name is only tried, unless the request sets a wait (L-10).
        wait = request["lock_ms"] ? lock_seconds(request) : 0
        Puro::Consumer.open(request["dir"], request["name"], wait: wait, world: world, lock_seconds: lock_seconds(request))
      else
        Puro::Producer.open(request["dir"], world: world, lock_seconds: lock_seconds(request))
      end
    end
  end
end

# frozen_string_literal: true

module Puro
  # A consumer with a name, whose position is kept in the stream (C-2, C-3, L-10).
  class Consumer
    Position = Struct.new(:epoch, :offset, :time) do
      # What is no position counts as none.
      def self.parse(value) = value&.bytesize == 20 ? new(*value.unpack("VQ<Q<")) : nil
      def encode = to_a.pack("VQ<Q<")
    end

    attr_reader :reader

    # Takes the name, and goes on where its last run was. `wait`: how long the name is waited for; who starts
    # under a name only tries it otherwise (L-10).
    def self.open(path, name, wait: 0, **options) = new(path, Names.check(name), wait, options)

    def initialize(path, name, wait, options)
      @name = name
      @writer = Writer.open(path, **options)
      take_name(wait)
      @reader = Reader.new(@writer.directory.again, @writer.world, options[:lock_seconds] || LOCK_SECONDS)
      find_position
    rescue StandardError
      close
      raise
    end

    # The next record; nil at the end.
    def next_record = @reader.next_record

    # The same, waiting at most `seconds`.
    def wait_record(seconds) = @reader.wait_record(seconds)

    # The place that is read next (E-7); of epoch 0 where nothing was read (F-36).
    def token = @reader.token

    # Commits the place, with records made from what it covers, if any: both or neither (C-2, C-3). Where nothing
    # was passed over, and the name has a position, there is nothing to commit (C-8).
    def commit(records = [])
      return if records.empty? && !moved?

      bytes = records.empty? ? "".b : Producer.encode(records)
      token = self.token
      @writer.locked do
        @writer.catch_up
        check(token)
        written = nil
        @writer.append(bytes, records.size, durable: durable?) do |writer|
          written = Position.new(token.epoch, token.offset, Conditions.entry_time(writer)).encode
          [Record.control("position", key: @name, value: written)]
        end
        @last = written
      rescue NotDurable # counts as written (C-2)
        @last = written
        raise
      end
    end

    def lock_seconds=(seconds)
      @writer.lock_seconds = seconds
    end

    def close
      @reader&.close
      @lock&.close
      @consumers&.close
      @writer&.close
    end

    private

    # The directory is made if it is missing; the name's lock is held as long as the consumer runs.
    def take_name(wait)
      @consumers = @writer.directory.subdirectory(Names::CONSUMERS)
      @lock = LockFile.new(@consumers, Names.consumer_lock(@name), like: -> { @writer.chain.segment.io.stat }, hint: true)
      @lock.acquire(wait, "the name #{@name}")
    end

    # Read after the name is held. The writer's chain may be older than that: the reader's is not.
    def find_position
      @last = current(@reader.active_chain.state)
      position = Position.parse(@last)
      @reader.seek(position ? Token.new(@reader.stream_id, position.epoch, position.offset) : :beginning)
    end

    def moved?
      position = Position.parse(@last)
      position.nil? || position.offset != token.offset
    end

    def current(state)
      value = state.value("position", @name)
      value if Position.parse(value)
    end

    # C-2: the entry is what was last read or written, and the place has not diverged.
    def check(token)
      chain = @writer.chain
      raise Conflict, "somebody else set the position of #{@name}" unless current(chain.state) == @last

      History.check(token, @writer.stream_id, chain.state, chain.next_offset)
    end

    def durable? = @writer.chain.state.setting("durable") == "true"
  end
end

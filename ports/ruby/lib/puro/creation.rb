# frozen_string_literal: true

module Puro
  # Makes a stream where none is (O-1, O-2).
  module Creation
    module_function

    # Whether it was made here. `settings` are names and texts.
    def create(path, settings: {}, world: World.new, lock_seconds: LOCK_SECONDS, network: false)
      settings.each { |name, value| Settings.check(name, value) } # before all this
      make_directory(path)
      directory = Stream.directory(path, network: network)
      return false if segments?(directory)

      refuse_others(directory)
      under_lock(directory, lock_seconds) do |lock|
        next false if segments?(directory) # somebody else was faster

        directory.sync_parent # before anything has a name in it
        make_first(directory, lock, settings, world)
        true
      end
    ensure
      directory&.close
    end

    def make_directory(path)
      Calls.again { Dir.mkdir(path) }
    rescue Errno::EEXIST
      nil
    end

    # F-9 is asked of what is there: a directory that is no stream is told.
    def segments?(directory)
      Listing.new(directory).stream_id
      true
    rescue NotAStream
      raise if directory.names.any? { |name| Names.sequence(name) }

      false
    end

    # O-2
    def refuse_others(directory)
      other = directory.names.find { |name| !Names.known?(name) }
      raise Refused, "#{directory.given} holds #{other}, which is of no stream" if other
    end

    def under_lock(directory, seconds)
      lock = LockFile.new(directory, Names::WRITER_LOCK)
      lock.acquire(seconds)
      yield lock
    ensure
      lock&.release
      lock&.close
    end

    # Segment 0, with the settings given and the entry of epoch 1 (E-1).
    def make_first(directory, lock, settings, world)
      state = State.new
      settings.each { |name, value| state.set(Record.control("setting", key: name.b, value: value.b)) }
      state.set(State::Epoch.new(1, 0, world.boot, world.now).entry)
      header = Header.new(stream_id: world.stream_id, base_offset: 0, created: world.now, sequence: 0, generation: 0,
                          epoch: 1)
      SegmentMaker.new(directory, header, state, 0).make { Writer.hold(lock) }&.close
    end
  end
end

# frozen_string_literal: true

require_relative "writer/look"
require_relative "writer/append"
require_relative "writer/sync"
require_relative "writer/roll"
require_relative "writer/repair"
require_relative "writer/zeros"

module Puro
  # Whoever holds `writer.lock` (chapter 4). What it remembers from one append to the next is the chain of
  # the active segment, and up to where that is known to be on disk.
  class Writer
    include Look
    include Append
    include Sync
    include Roll
    include Repair
    include Zeros

    # A repair that was done: the row of the table, the place, how many bytes, and where they were saved (X-8).
    Repaired = Struct.new(:label, :sequence, :position, :bytes, :saved)

    # How long a lock is waited for (L-8).
    attr_writer :lock_seconds
    attr_reader :directory, :world, :chain, :stream_id, :repairs

    def self.open(path, world: World.new, lock_seconds: LOCK_SECONDS, network: false)
      directory = Stream.directory(path, network: network)
      new(directory, world, lock_seconds)
    rescue StandardError
      directory&.close
      raise
    end

    # A-21 (SHOULD): the name of the lock is looked up once more before a segment is named.
    def self.hold(lock)
      raise SystemRefused, "writer.lock was taken away" unless lock.named?
    end

    def initialize(directory, world, lock_seconds)
      @directory = directory
      @world = world
      @lock_seconds = lock_seconds
      @process = Process.pid
      @repairs = []
      @debts = []
      @lock = LockFile.new(directory, Names::WRITER_LOCK, like: -> { @chain.segment.io.stat })
      @stream_id = Listing.new(directory).stream_id
      open_active
    end

    # A-1 and A-10. What the block does begins with catch_up.
    def locked
      raise Refused, "a handle of another process" unless @process == Process.pid # L-3

      @lock.acquire(@lock_seconds)
      begin
        @scanned = false # the segment was not read again under this lock (A-5)
        yield
      ensure
        @lock.release
      end
    end

    def close
      cut_zeros
      @lock.close
      @debts.each { |debt| debt.chain.segment.close }
      @chain.segment.close
      @directory.close
    end

    private

    # O-3: the active segment, from its header.
    def open_active
      START_OVER.times do
        listing = Listing.new(@directory, @stream_id)
        segment = Segment.open(@directory, listing.active, write: true) or next
        return step_into(Chain.scan(segment))
      end
      raise SystemRefused, "the segments change too fast"
    end

    # Goes on in that segment. Nothing is known to be on disk there but what its blocks say.
    def step_into(chain)
      leave if @chain
      @chain = chain
      @synced_to = 0 # by this writer's own syncs (A-11)
      @known = 0 # for the recovery table alone (A-20)
      @owed = false # a sync failed, and nothing was mended yet (A-14)
      @must_see_all = true # Z-6
      @names_synced = false # V-7
      @zeros_put = false # Z-8
    end
  end
end

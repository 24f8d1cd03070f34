# frozen_string_literal: true

require_relative "verifier/places"
require_relative "verifier/deep"
require_relative "verifier/segment_check"

module Puro
  # Are the files of a stream as the pages want them (chapter 11)? It changes nothing, and takes no lock but
  # the shared one of the segment that it is in (K-1).
  class Verifier
    # K-2: the weight is "damage", "unreadable", "repairable" or "note".
    Finding = Struct.new(:weight, :file, :position, :text)

    attr_reader :findings

    def self.verify(path, world: World.new, deep: false, lock_seconds: LOCK_SECONDS, network: false)
      directory = Stream.directory(path, network: network)
      new(directory, world, deep, lock_seconds).tap(&:run)
    ensure
      directory&.close
    end

    def initialize(directory, world, deep, lock_seconds)
      @directory = directory
      @world = world
      @deep = deep
      @lock_seconds = lock_seconds
      @findings = []
    end

    # Errors of K-3 are raised: then there is no verdict.
    def run
      return if (numbers = stream_numbers).empty?

      before = nil
      numbers.each do |number|
        before = check_segment(number, before, numbers.last == number)
      end
    end

    # K-2, table of verdicts
    def verdict
      weights = @findings.map(&:weight)
      return "damaged" if weights.include?("damage")
      return "unreadable" if weights.include?("unreadable")

      weights.include?("repairable") ? "repairable" : "sound"
    end

    def found(weight, file, position, text)
      @findings << Finding.new(weight, file, position, text)
      nil
    end

    private

    # K-4: names, then whose they are. The numbers of the stream's segments, those without a valid header too.
    def stream_numbers
      numbers = Listing.numbers(@directory)
      @directory.names.sort.each { |name| note_name(name) }
      @unreadable, readable = numbers.partition { |number| unreadable?(number) }
      return [] if readable.empty?

      listing = Listing.new(@directory, nil, readable)
      refuse_newer(listing, readable)
      strays, own = whose(listing, readable)
      strays.each { |number| found("note", Names.segment(number), nil, "stray: of another stream, or out of its place") }
      @strays = strays
      holes(own)
      own
    end

    # K-6, F-9. Where all are strays, and where none says whose it is, that is damage.
    def whose(listing, readable)
      listing.stream_id
      readable.partition { |number| listing.stray?(number) }
    rescue Damaged => e
      found("damage", nil, nil, e.message)
      readable.each { |number| header_finding(number) }
      [[], []]
    end

    def header_finding(number)
      Segment.open(@directory, number)&.close
    rescue Damaged => e
      found("damage", Names.segment(number), 0, e.message)
    end

    # K-3: one header of a newer Puro is enough.
    def refuse_newer(listing, readable) = readable.each { |number| listing.header(number) }

    def note_name(name)
      return if Names::OTHERS.include?(name) || Names.sequence(name)

      found("note", name, nil, Names::TEMPORARY.match?(name) ? "a temporary file" : "it has no place in a stream")
    end

    # K-5
    def unreadable?(number)
      @directory.open_file(Names.segment(number), File::RDONLY).close
      false
    rescue Refused, Errno::EACCES, Errno::EPERM, Errno::EIO => e
      found("unreadable", Names.segment(number), nil, e.message)
      true
    rescue Errno::ENOENT
      false # deleted meanwhile
    end

    # A number that is missing between two others; one that cannot be read is not missing.
    def holes(own)
      (own + @unreadable).sort.each_cons(2) do |below, above|
        next if above == below + 1 || own.last < above

        found("damage", Names.segment(below + 1), nil, "the segment is missing")
      end
    end

    def check_segment(number, before, last)
      segment = pin(number) or return nil
      check = SegmentCheck.new(self, segment, @world, before, deep: @deep)
      check.run(sealed: !last)
      finish(check) if last
      check
    rescue Damaged => e # K-7
      found("damage", Names.segment(number), 0, e.message)
    rescue SystemCallError => e # R-15
      found("unreadable", Names.segment(number), nil, e.message)
    ensure
      segment&.close
    end

    def pin(number)
      segment = Segment.open(@directory, number) or return nil
      FileLock.wait(segment.io, FileLock::SHARED, FileLock.now + @lock_seconds, segment.name)
      segment
    end

    # K-13: sealed, and the next one not made.
    def finish(check)
      return unless check.sealed?

      following = check.segment.sequence + 1
      return if @unreadable.include?(following)

      if @strays.include?(following)
        found("damage", Names.segment(following), nil, "a stray has the next segment's name")
      else
        found("repairable", check.segment.name, check.position, "sealed, and the next segment is not made")
      end
    end
  end
end

# frozen_string_literal: true

module Puro
  # The segments' names in a directory, completed (V-11), and which stream they are of (F-9).
  class Listing
    attr_reader :directory, :numbers

    # A segment of the stream behind this number? Whoever looks for one may find nothing at all any more.
    def self.later?(directory, number, stream_id)
      new(directory, stream_id).later?(number)
    rescue NotAStream
      false
    end

    # The numbers that have names, ascending, completed (V-11).
    def self.numbers(directory)
      listed = directory.names.filter_map { |name| Names.sequence(name) }.sort
      raise NotAStream, "there is no segment" if listed.empty?

      complete(directory, listed)
    end

    # Each hole's first name is looked up by itself, and on as long as names are there.
    def self.complete(directory, listed)
      found = []
      listed.each_cons(2) do |below, above|
        number = below + 1
        while number < above && directory.stat(Names.segment(number))
          found << number
          number += 1
        end
      end
      (listed + found).sort
    end

    # `stream_id` where it is known already.
    def initialize(directory, stream_id = nil, numbers = Listing.numbers(directory))
      @directory = directory
      @stream_id = stream_id
      @numbers = numbers
      @headers = {}
    end

    # The stream's id (F-9). Files that do not say which stream they are of are passed over.
    def stream_id
      @stream_id ||= begin
        lowest = @numbers.lazy.filter_map { |number| says(number) }.first
        raise Damaged, "no file says which stream it is of" unless lowest

        highest = @numbers.reverse.lazy.filter_map { |number| says(number) }.first
        lowest == highest ? lowest : vote
      end
    end

    # The numbers that are not strays, from the highest down; what has no valid header is damage, and no stray.
    def descending = @numbers.reverse.lazy.reject { |number| stray?(number) }
    def ascending = @numbers.lazy.reject { |number| stray?(number) }
    def active = descending.first

    # A segment of the stream behind this number (R-5, V-9, A-5)? What cannot be opened, and what has no
    # valid header, is told.
    def later?(number)
      @numbers.any? { |other| other > number && !stray?(other) && opened!(other) }
    end

    def stray?(number)
      header = header(number)
      header && !(header.stream_id == stream_id && header.sequence == number)
    end

    # The header, nil where it is not valid or the name is gone. Kinds of files that are refused and
    # headers of a newer Puro are told by whoever must open them (F-8, F-50).
    def header(number)
      return @headers[number] if @headers.key?(number)

      segment = Segment.open(@directory, number)
      segment&.close
      @headers[number] = segment&.header
    rescue Damaged
      @headers[number] = nil
    end

    private

    def says(number)
      header = header(number)
      header.stream_id if header && header.sequence == number
    end

    def vote
      votes = @numbers.filter_map { |number| says(number) }.tally
      most = votes.values.max
      winners = votes.select { |_, count| count == most }.keys
      raise NotAStream, "the segments are of two streams, and as many of each" if winners.size > 1

      winners.first
    end

    def opened!(number)
      Segment.open(@directory, number)&.close
      true
    end
  end
end

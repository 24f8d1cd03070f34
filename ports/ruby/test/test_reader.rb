# frozen_string_literal: true

require_relative "helper"

class TestReader < Minitest::Test
  include Helper

  def setup
    super
    @path = stream
    append(@path, "a")
    @reader = Puro::Reader.open(@path)
    assert_equal "a", @reader.next_record.value
  end

  def teardown
    @reader.close
    super
  end

  def test_waits
    pid = fork { sleep(0.15); append(@path, "b"); exit!(0) }
    assert_equal "b", @reader.wait_record(5)&.value
    Process.wait(pid)
  end

  def test_moved
    assert_nil @reader.wait_record(0)
    File.rename(@path, "#{@path}.old")
    2.times { assert_raises(Puro::Removed) { @reader.wait_record(0) } } # R-16
  end

  # Its past is cut off, and others are appended in its place (R-11).
  def test_taken_back
    append(@path, "b")
    assert_equal "b", @reader.next_record.value
    File.truncate("#{@path}/0000000000.puro", 320) # "b" is gone
    assert_nil @reader.wait_record(0)
    append(@path, "other")
    2.times { assert_raises(Puro::Diverged) { @reader.wait_record(0) } }
  end

  def test_tells_what_is_left_behind
    told = []
    @reader.notice = ->(weight, _) { told << weight }
    File.open("#{@path}/0000000000.puro", "ab") { |file| file.write("\0garbage") }
    assert_nil @reader.wait_record(0.35)
    assert_equal [:repairable], told
  end

  def test_a_consumer_goes_on
    append(@path, "b", "c")
    assert_equal %w[a b], consume(2)
    assert_equal %w[c], consume(5)
    assert_equal [], consume(1)
  end

  def consume(count)
    consumer = Puro::Consumer.open(@path, "me")
    assert_raises(Puro::Busy) { Puro::Consumer.open(@path, "me") } # L-10
    values = Array.new(count) { consumer.next_record&.value }.compact
    consumer.commit
    values
  ensure
    consumer&.close
  end
end

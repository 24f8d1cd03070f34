# frozen_string_literal: true

require_relative "helper"

class TestGolden < Minitest::Test
  include Helper

  # Verdict, records, how a reader ends (vectors/README.md).
  STREAMS = {
    "empty" => ["sound", 0, "end"], "records" => ["sound", 9, "end"], "rollover" => ["sound", 12, "end"],
    "epochs" => ["sound", 3, "end"], "boot_id" => ["sound", 1, "end"], "zeros" => ["sound", 2, "end"],
    "low_tail" => ["repairable", 2, "end"], "torn_tail" => ["repairable", 2, "end"],
    "lost_tail" => ["repairable", 1, "end"], "repaired" => ["sound", 2, "end"],
    "damaged_tail" => ["damaged", 0, "end"], "damaged_sealed" => ["damaged", 5, "damaged"]
  }.freeze

  STREAMS.each do |name, (verdict, count, ended)|
    define_method("test_#{name}") do
      path = golden(name)
      assert_equal verdict, Puro::Verifier.verify(path, deep: true).verdict
      values, how = read(path)
      assert_equal [count, ended], [values.size, how]
      appended = verdict == "damaged" ? assert_refused(path) : append(path, "next")
      assert_equal "sound", Puro::Verifier.verify(path, deep: true).verdict if appended
    end
  end

  def assert_refused(path)
    return append(path, "next") && nil if path.end_with?("damaged_sealed") # the active segment is sound

    before = File.binread("#{path}/0000000000.puro")
    assert_raises(Puro::Damaged) { append(path, "next") }
    assert_equal before, File.binread("#{path}/0000000000.puro")
    nil
  end

  # The bytes of `records`, made anew in its world.
  def test_the_same_bytes
    path = File.join(@tmp, "made")
    id = (0x10..0x1F).to_a.pack("C*")
    Puro::Creation.create(path, world: Puro::World.new(clock: START, boot: BOOT, random: id))
    assert_equal File.binread("#{VECTORS}/empty/0000000000.puro"), File.binread("#{path}/0000000000.puro")

    world = Puro::World.new(boot: BOOT)
    producer = Puro::Producer.open(path, world: world)
    blocks("#{VECTORS}/records").each do |records|
      world.clock = records.first.time
      producer.append(records)
    end
    producer.close
    assert_equal File.binread("#{VECTORS}/records/0000000000.puro"), File.binread("#{path}/0000000000.puro")
  end

  def blocks(path)
    reader = Puro::Reader.open(path)
    records = []
    while (found = reader.next_record)
      records << found
    end
    records.slice_when { |one, other| one.time != other.time }.to_a
  ensure
    reader&.close
  end

  def test_token
    assert_raises(Puro::Diverged) { Puro::Reader.open(golden("epochs"), at: Puro::Token.parse("101112131415161718191a1b1c1d1e1f:1:3")) }
    reader = Puro::Reader.open("#{@tmp}/epochs", at: Puro::Token.parse("101112131415161718191A1B1C1D1E1F:03:2"))
    reader.next_record
    assert_equal "101112131415161718191a1b1c1d1e1f:3:3", reader.token.to_s
    reader.close
  end

  def test_crc = assert_equal(0xE3069283, Puro::Crc32c.of("123456789"))
end

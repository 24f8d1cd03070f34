# frozen_string_literal: true

require_relative "helper"

class TestWriter < Minitest::Test
  include Helper

  def test_rolls
    path = stream(segment_bytes: "4096")
    producer = Puro::Producer.open(path)
    40.times { |i| producer.append([record("#{i}" * 200)]) }
    producer.close
    assert_operator Dir["#{path}/*.puro"].size, :>, 2
    assert_equal 40, read(path).first.size
    assert_equal "sound", Puro::Verifier.verify(path, deep: true).verdict
  end

  # A writer that died between segment end and rename (V-6).
  def test_finishes
    path = stream(segment_bytes: "4096")
    append(path, "x" * 4000)
    append(path, "y" * 4000)
    File.rename("#{path}/0000000001.puro", "#{@tmp}/gone")
    assert_equal "repairable", Puro::Verifier.verify(path).verdict
    assert_equal 1, append(path, "z").first_offset
    assert_equal "sound", Puro::Verifier.verify(path, deep: true).verdict
  end

  # No block within a block (F-43).
  def test_forged
    path = stream
    writer = Puro::Writer.open(path)
    header_crc = writer.chain.segment.header.crc
    position = writer.chain.position + 128
    writer.close
    forged = Puro::Start.new(signal: 0xA5, kind: 1, flags: 0, body_len: 9, record_count: 1, prev_crc: 0, first_offset: 0,
                             timestamp: 0, durable_to: 2**40, epoch: 1, start_crc: 0)
    forged.start_crc = Puro::Block.start_crc(forged.encode, header_crc, position)
    value = ("p" * (128 - 48 - 10)) + forged.encode # 10 bytes of the record stand before it
    append(path, value)
    bytes = File.binread("#{path}/0000000000.puro")
    refute Puro::Start.standing(bytes.byteslice(position, 48), header_crc, position)
    assert_equal [value], read(path).first
  end

  def test_a_sync_that_fails_is_mended
    path = stream
    producer = Puro::Producer.open(path)
    producer.append([record("a")])
    fail_syncs(1) { producer.append([record("b")], durable: true) }
    assert_raises(Puro::NotDurable) { fail_syncs(2) { producer.append([record("c")], durable: true) } }
    producer.append([record("d")], durable: true)
    producer.close
    assert_equal %w[a b c d], read(path).first
    assert_equal "sound", Puro::Verifier.verify(path, deep: true).verdict
  end

  # The next `count` calls of fdatasync fail.
  def fail_syncs(count)
    right = Puro::Calls.method(:fdatasync)
    Puro::Calls.define_singleton_method(:fdatasync) do |io|
      count -= 1
      count >= 0 ? raise(Errno::EIO) : right.call(io)
    end
    yield
  ensure
    Puro::Calls.define_singleton_method(:fdatasync, right)
  end

  def test_locks
    path = stream
    lock = Puro::LockFile.new(Puro::Directory.open(path), "writer.lock")
    lock.acquire(0)
    producer = Puro::Producer.open(path, lock_seconds: 0.05)
    assert_raises(Puro::Busy) { producer.append([record("a")]) }
    lock.release
    producer.append([record("a")])
    File.unlink("#{path}/writer.lock") # its name is gone: a new one is made
    producer.append([record("b")])
    assert_equal %w[a b], read(path).first
    pid = fork { exit!(begin producer.append([record("c")]); 1; rescue Puro::Refused; 0; end) } # L-3
    assert_predicate Process.wait2(pid).last, :success?
    producer.close
  end

  # Zeros ahead are nothing, and are cut off at the close (Z-1, Z-8).
  def test_zeros
    path = stream
    file = "#{path}/0000000000.puro"
    producer = Puro::Producer.open(path)
    producer.append([record("a")], durable: true)
    assert_equal 320 + 8192, File.size(file)
    append(path, "b") # another writer, over the zeros
    producer.append([record("c")], durable: true)
    assert_equal "sound", Puro::Verifier.verify(path, deep: true).verdict
    producer.close
    assert_equal 576, File.size(file)
    assert_equal %w[a b c], read(path).first
  end

  def test_identities_and_conditions
    path = stream
    first = append(path, "a", identity: "me", sequence: 7)
    again = append(path, "a", identity: "me", sequence: 7)
    assert_equal [first.first_offset, true], [again.first_offset, again.duplicate]
    assert_raises(Puro::OldSequence) { append(path, "a", identity: "me", sequence: 6) }
    assert_raises(Puro::OldSequence) { append(path, "b", identity: "me", sequence: 7) }
    reader = Puro::Reader.open(path, at: :end)
    token = reader.token
    reader.close
    append(path, "b", if_end: token)
    assert_raises(Puro::Conflict) { append(path, "c", if_end: token) }
  end
end

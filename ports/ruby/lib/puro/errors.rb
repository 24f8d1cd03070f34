# frozen_string_literal: true

module Puro
  # What a call can end with, other than well. `word` is the kit's word for it (kit.md, errors).
  class Error < StandardError
    def self.word(word = nil)
      @word = word if word
      @word || superclass.word
    end

    def word = self.class.word
  end

  # May not be: a limit, a name, a kind of file, a second name of a file.
  class Refused < Error; word "refused"; end
  # Stored bytes break a rule.
  class Damaged < Error; word "damaged"; end
  # The magic is wrong (F-12): for whoever wants a segment that is damage.
  class NotASegment < Damaged; end
  # From a newer Puro (F-12, F-50).
  class Newer < Error; word "newer"; end
  # No segment there, or a draw of F-9.
  class NotAStream < Error; word "not_a_stream"; end
  # The history of a token is gone (E-7).
  class Diverged < Error; word "diverged"; end
  # The offset is not there, or no longer (R-9, V-8).
  class OutOfRange < Error; word "out_of_range"; end
  # The stream or its segment was removed, moved or replaced (A-2, R-11).
  class Removed < Error; word "removed"; end
  # A lock could not be had in time (L-8).
  class Busy < Error; word "busy"; end
  # Others were faster (A-16, C-2).
  class Conflict < Error; word "conflict"; end
  # An identity is beyond this sequence, or used it for another batch (C-4).
  class OldSequence < Error; word "old_sequence"; end
  # The system refused something; SystemCallError counts as this one, too.
  class SystemRefused < Error; word "system"; end
  # No room on the disk (V-2, X-4).
  class NoSpace < SystemRefused; end
  # Appended, but its sync failed for good (A-12, A-14).
  class NotDurable < SystemRefused; end
  # The write of the signal failed, and it cannot be read back (A-13).
  class Unknown < SystemRefused; end
end

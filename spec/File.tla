-------------------------------- MODULE File --------------------------------
(***************************************************************************)
(* One segment file, as processes see it and as the disk may have it.      *)
(*                                                                         *)
(* A file is a row of units of 64 bytes. A block is one unit or two: the   *)
(* first holds signal and start (format.md F-15 puts both in one unit),    *)
(* the second, if any, the rest of the body. A block is an entry of        *)
(* `made`; what a checksum binds together, an identity binds here: a unit  *)
(* says which block it is part of, so checksums are taken as free of       *)
(* collisions, and nothing else is taken for granted. The opening          *)
(* checkpoint (epoch 1, boot 1) stands before unit 1 and is on disk.       *)
(*                                                                         *)
(* `unit` and `len` are what every process reads now (M-2). `may[u]` is    *)
(* the set of what unit u can be after a loss of power, `mayLen` the same  *)
(* for the length (M-4). A sync makes both single (M-5), but for the units *)
(* in `forgot`: a failed sync made the system forget that they were still  *)
(* to be written (M-6), and only a new write makes it remember.            *)
(*                                                                         *)
(* A unit that is written again with the bytes it has on disk is not in    *)
(* danger (M-4): such a write leaves `may` as it is. Damage (M-8) makes a  *)
(* unit other bytes than were ever written, on the disk too.               *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANT Units                \* how long the file can get

VARIABLES
  unit,     \* unit[u]: what stands in unit u
  len,      \* length of the file, in units
  may,      \* may[u]: what unit u may be after a loss of power
  mayLen,   \* what the length may be then
  forgot,   \* units that the system forgot to write
  made      \* all blocks that anybody ever began to write

fileVars == <<unit, len, may, mayLen, forgot, made>>

Zero == [b |-> 0, k |-> 0, s |-> 0]
Junk == [b |-> 0, k |-> 1, s |-> 1]     \* bytes that are nobody's
Low  == 0
High == 1

Max(S) == CHOOSE x \in S : \A y \in S : x >= y
Min(S) == CHOOSE x \in S : \A y \in S : x <= y

FileInit ==
  /\ unit = [u \in 1..Units |-> Zero]
  /\ len = 0
  /\ may = [u \in 1..Units |-> {Zero}]
  /\ mayLen = {0}
  /\ forgot = {}
  /\ made = <<>>

(***************************************************************************)
(* What the system does. Each of these is one step of somebody else.       *)
(***************************************************************************)

Put(u, v) ==
  /\ unit' = [unit EXCEPT ![u] = v]
  /\ len' = Max({len, u})
  /\ may' = [may EXCEPT ![u] = @ \cup {v}]
  /\ mayLen' = mayLen \cup {Max({len, u})}
  /\ forgot' = forgot \ {u}

PutZerosTo(n) ==      \* zeros written behind the end of the file; a loss of power may leave garbage there
  /\ len' = n
  /\ may' = [u \in 1..Units |-> IF u \in (len + 1)..n THEN may[u] \cup {Zero, Junk} ELSE may[u]]
  /\ mayLen' = mayLen \cup (len..n)
  /\ forgot' = forgot \ ((len + 1)..n)
  /\ UNCHANGED unit

SetLength(n) ==
  /\ unit' = [u \in 1..Units |-> IF u > n THEN Zero ELSE unit[u]]
  /\ len' = n
  /\ may' = [u \in 1..Units |-> IF u > n THEN may[u] \cup {Zero} ELSE may[u]]
  /\ mayLen' = mayLen \cup {n}
  /\ forgot' = {u \in forgot : u <= n}

SyncFile ==
  /\ may' = [u \in 1..Units |-> IF u \in forgot THEN may[u] ELSE {unit[u]}]
  /\ mayLen' = {len}
  /\ UNCHANGED <<unit, len, forgot>>

SyncFileFails ==
  /\ forgot' = {u \in 1..Units : Cardinality(may[u]) > 1}
  /\ UNCHANGED <<unit, len, may, mayLen>>

WriteAgain(from) ==   \* same bytes, same place: the system remembers them
  /\ forgot' = {u \in forgot : u < from}
  /\ UNCHANGED <<unit, len, may, mayLen>>

Survives(u) ==        \* one unit after a loss of power: old, new, zero, garbage
  IF Cardinality(may[u]) = 1 THEN may[u] ELSE may[u] \cup {Zero, Junk}

RECURSIVE Survivors(_, _)
Survivors(u, n) ==    \* all that units 1..u may be then, if the length is n
  IF u = 0 THEN {<<>>}
  ELSE {Append(s, v) : s \in Survivors(u - 1, n),
                       v \in IF u > n THEN {Zero} ELSE Survives(u)}

IsLeft(n, v) ==       \* the length n and the units v are what is left
  /\ unit' = v
  /\ may' = [u \in 1..Units |-> {v[u]}]
  /\ len' = n
  /\ mayLen' = {n}
  /\ forgot' = {}

Spoil(u) ==           \* damage, which chapter 1 promises nothing against
  /\ unit' = [unit EXCEPT ![u] = Junk]
  /\ may' = [may EXCEPT ![u] = {Junk}]
  /\ UNCHANGED <<len, mayLen, forgot, made>>

LosePower == \E n \in mayLen : \E v \in Survivors(Units, n) : IsLeft(n, v)

(***************************************************************************)
(* Reading the bytes.                                                      *)
(***************************************************************************)

\* F-19: start_crc, seeded with the position, is right at p
StartAt(p) == unit[p].b > 0 /\ unit[p].k = 1 /\ made[unit[p].b].at = p

\* F-24: valid at p: the start is right, the block lies in the file, the body is whole
BodyOk(b, second) == made[b].size = 1 \/ second = [b |-> b, k |-> 2, s |-> Low]
ValidAt(p) ==
  /\ StartAt(p)
  /\ p + made[unit[p].b].size - 1 <= len
  /\ BodyOk(unit[p].b, IF p < Units THEN unit[p + 1] ELSE Zero)

LastOf(c)    == IF c = <<>> THEN 0 ELSE c[Len(c)]
EndOf(c)     == IF c = <<>> THEN 1 ELSE made[LastOf(c)].at + made[LastOf(c)].size
OffsetOf(c)  == IF c = <<>> THEN 0 ELSE made[LastOf(c)].off + made[LastOf(c)].count

\* F-21: block b continues the chain c
Continues(b, c) == made[b].prev = LastOf(c) /\ made[b].off = OffsetOf(c)

\* F-24: a committed block stands behind the chain c
CommittedAfter(c) ==
  LET p == EndOf(c) IN
  p <= len /\ ValidAt(p) /\ Continues(unit[p].b, c) /\ unit[p].s = High

RECURSIVE StepOverFrom(_)
StepOverFrom(c) ==
  IF CommittedAfter(c) THEN StepOverFrom(Append(c, unit[EndOf(c)].b)) ELSE c

Chain == StepOverFrom(<<>>)             \* all committed blocks

IsRecords(b) == made[b].count > 0
Records(c) == SelectSeq(c, LAMBDA b : IsRecords(b))   \* those that hold records

\* E-1: the newest epoch in the chain c, and the boot it began in
RaisesOf(c) == {i \in 1..Len(c) : made[c[i]].count = 0}
EpochOf(c) == IF RaisesOf(c) = {} THEN 1 ELSE made[c[Max(RaisesOf(c))]].epoch
BootOf(c)  == IF RaisesOf(c) = {} THEN 1 ELSE made[c[Max(RaisesOf(c))]].boot
EpochEnd(c) == IF RaisesOf(c) = {} THEN 1
               ELSE made[c[Max(RaisesOf(c))]].at + made[c[Max(RaisesOf(c))]].size

\* A-20: a later epoch begins below the offset
RaisedBelow(epoch, offset, c) ==
  \E i \in RaisesOf(c) : made[c[i]].epoch > epoch /\ made[c[i]].off < offset

\* E-7: a token (epoch, offset) has diverged from the chain c
Diverged(epoch, offset, c) ==
  /\ epoch > 0
  /\ \/ RaisedBelow(epoch, offset, c)
     \/ OffsetOf(c) < offset
     \/ EpochOf(c) < epoch

IsPrefix(s, t) == Len(s) <= Len(t) /\ SubSeq(t, 1, Len(s)) = s
Range(s) == {s[i] : i \in 1..Len(s)}

\* F-56
OnlyZeros(p) == \A u \in p..len : unit[u] = Zero     \* nothing, or zeros, from unit p on

(***************************************************************************)
(* The recovery table, chapter 5. P is EndOf(c), known what the writer     *)
(* remembers itself (A-20), or at least what the blocks say.               *)
(*                                                                         *)
(* A body holds what its user gave, and may hold a start that is right for *)
(* its place: then that is evidence of nothing. No encoder makes such a    *)
(* body, and the extent of a block whose own start is right is passed by.  *)
(***************************************************************************)

\* F-43
HoldsStart(b) == FALSE     \* its encoder shifts the body, or refuses it
ForgedAt(q) == unit[q].k = 2 /\ unit[q].b > 0 /\ HoldsStart(unit[q].b)
KnownAt(q) == IF ForgedAt(q) THEN Units + 2 ELSE made[unit[q].b].durable

\* X-9
Extent(p) == IF StartAt(p) THEN (p + 1)..(p + made[unit[p].b].size - 1) ELSE {}

Behind(c) == {q \in (EndOf(c) + 1)..len : StartAt(q) \/ ForgedAt(q)}
               \ (IF EndOf(c) <= len THEN Extent(EndOf(c)) ELSE {})
Known(c) == Max({1} \cup {made[c[i]].durable : i \in 1..Len(c)}
                    \cup {KnownAt(q) : q \in Behind(c)})

\* X-1
WholeBehind(c) ==     \* within a boot, only damage hides a block that was committed
  \E q \in Behind(c) : StartAt(q) /\ ValidAt(q) /\ unit[q].s = High

FirstByteZero(p) ==   \* the second unit of every other block begins with a byte that is not zero
  unit[p].s = Low /\ (unit[p].k = 2 => unit[p].b % 2 = 1)

Row(c, boot, known) ==     \* known: to be on the disk
  LET p == EndOf(c) IN
  IF known > p THEN "damaged"
  ELSE IF BootOf(c) = boot /\ WholeBehind(c) THEN "damaged"
  ELSE IF OnlyZeros(p) THEN "clean"
  ELSE IF FirstByteZero(p) /\ Behind(c) = {} /\ BootOf(c) = boot THEN "unseen"
  ELSE "lost"
=============================================================================

----------------------------- MODULE Elsewhere ------------------------------
(***************************************************************************)
(* Writers that remember ends in segments that others have sealed since,   *)
(* or that were removed with their stream; and damage in any of them. Who  *)
(* looks steps over from segment to segment as far as blocks are whole.    *)
(* Where it stops, it repairs only what is the active segment still (A-5); *)
(* and it writes only where a name leads to (A-2).                         *)
(*                                                                         *)
(* A file is a row of items: records, a segment end, and what is damaged.  *)
(* `stream` has the files that names lead to, in order. Nobody dies, and   *)
(* no power is lost: Stream has that, Segment the rest of an append.       *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS Writers, MaxFiles, MaxRecs, MaxHarms, MaxRemovals

VARIABLES
  content,   \* content[f]: the items of file f
  stream,    \* the files with names; the last one is the active segment
  lock, pc,
  mem,       \* the file and the item behind which each writer remembers the end; file 0: none
  count, harms, removals

vars == <<content, stream, lock, pc, mem, count, harms, removals>>

End == "end"
Rec == "rec"
Bad == "bad"

Active == stream[Len(stream)]
Named(f) == \E i \in 1..Len(stream) : stream[i] = f
Place(f) == CHOOSE i \in 1..Len(stream) : stream[i] = f
IsLast(f) == ~Named(f) \/ Place(f) = Len(stream)

Init ==
  /\ content = <<<<>>>> /\ stream = <<1>>
  /\ lock = 0 /\ pc = [w \in Writers |-> "idle"]
  /\ mem = [w \in Writers |-> [f |-> 0, k |-> 0]]
  /\ count = 0 /\ harms = 0 /\ removals = 0

Go(w, from, to) == pc[w] = from /\ pc' = [pc EXCEPT ![w] = to]

RECURSIVE Reach(_, _)
Reach(f, k) ==     \* where stepping over leads from behind item k of file f
  IF k < Len(content[f])
    THEN IF content[f][k + 1] = Bad THEN [f |-> f, k |-> k] ELSE Reach(f, k + 1)
  ELSE IF k > 0 /\ content[f][k] = End /\ ~IsLast(f) THEN Reach(stream[Place(f) + 1], 0)
  ELSE [f |-> f, k |-> k]

Stops(m) == m.k < Len(content[m.f])   \* by damage

\* A-1
Lock(w) ==
  /\ lock = 0 /\ Go(w, "idle", "look") /\ lock' = w
  /\ UNCHANGED <<content, stream, mem, count, harms, removals>>

\* A-4
ScanAgain(m) == IF m.k <= Len(content[m.f]) THEN m.k ELSE 0    \* Segment has the eight bytes

\* A-3
StepOver(w) ==
  /\ pc[w] = "look"
  /\ LET m == IF mem[w].f = 0 THEN Reach(Active, 0) ELSE Reach(mem[w].f, ScanAgain(mem[w])) IN
     /\ mem' = [mem EXCEPT ![w] = m]
     /\ pc' = [pc EXCEPT ![w] = IF Stops(m) THEN "stopped" ELSE "looked"]
  /\ UNCHANGED <<content, stream, lock, count, harms, removals>>

\* A-2
HasName(w) == Named(mem[w].f)

\* A-2
Removed(w) ==      \* what it remembers has no name any more: it fails, and has to be opened anew
  /\ Go(w, "looked", "idle") \/ Go(w, "stopped", "idle")
  /\ ~HasName(w) /\ lock' = 0 /\ mem' = [mem EXCEPT ![w] = [f |-> 0, k |-> 0]]
  /\ UNCHANGED <<content, stream, count, harms, removals>>

\* A-5
StillActive(w) == mem[w].f = Active

\* A-5
OpenAnew(w) ==     \* in the active segment; nothing is changed where it stopped
  /\ Go(w, "stopped", "look") /\ HasName(w) /\ ~StillActive(w)
  /\ mem' = [mem EXCEPT ![w] = [f |-> Active, k |-> 0]]
  /\ UNCHANGED <<content, stream, lock, count, harms, removals>>

\* X-5
Truncate(w) ==     \* or it stops there with an error, which changes nothing
  /\ Go(w, "stopped", "looked") /\ HasName(w) /\ StillActive(w)
  /\ content' = [content EXCEPT ![mem[w].f] = SubSeq(@, 1, mem[w].k)]
  /\ UNCHANGED <<stream, lock, mem, count, harms, removals>>

CanWrite(w) == pc[w] = "looked" /\ HasName(w) /\ UNCHANGED pc
Ended(w) == mem[w].k > 0 /\ content[mem[w].f][mem[w].k] = End

\* A-9
Commit(w) ==
  /\ CanWrite(w) /\ ~Ended(w) /\ count < MaxRecs /\ count' = count + 1
  /\ content' = [content EXCEPT ![mem[w].f] = Append(@, Rec)]
  /\ mem' = [mem EXCEPT ![w].k = @ + 1]
  /\ UNCHANGED <<stream, lock, harms, removals>>

\* V-3, V-4, V-5
Roll(w) ==
  /\ CanWrite(w) /\ mem[w].k > 0 /\ Len(content) < MaxFiles
  /\ LET sealed == IF Ended(w) THEN content ELSE [content EXCEPT ![mem[w].f] = Append(@, End)] IN
     content' = Append(sealed, <<>>)
  /\ stream' = Append(stream, Len(content'))
  /\ mem' = [mem EXCEPT ![w] = [f |-> Len(content'), k |-> 0]]
  /\ UNCHANGED <<lock, count, harms, removals>>

\* A-10
Unlock(w) ==
  /\ Go(w, "looked", "idle") /\ lock' = 0
  /\ UNCHANGED <<content, stream, mem, count, harms, removals>>

\* M-8
Harm(f, k) ==      \* an item of any file, between two looks
  /\ harms < MaxHarms /\ harms' = harms + 1 /\ lock = 0
  /\ content' = [content EXCEPT ![f][k] = Bad]
  /\ UNCHANGED <<stream, lock, pc, mem, count, removals>>

\* A-2
RemoveStream ==    \* and make another one in its place
  /\ removals < MaxRemovals /\ removals' = removals + 1 /\ lock = 0
  /\ Len(content) < MaxFiles
  /\ content' = Append(content, <<>>) /\ stream' = <<Len(content')>>
  /\ UNCHANGED <<lock, pc, mem, count, harms>>

WriterStep(w) ==
  \/ Lock(w) \/ StepOver(w) \/ Removed(w) \/ OpenAnew(w) \/ Truncate(w)
  \/ Commit(w) \/ Roll(w) \/ Unlock(w)

Next ==
  \/ \E w \in Writers : WriterStep(w)
  \/ \E f \in 1..Len(content) : \E k \in 1..Len(content[f]) : Harm(f, k)
  \/ RemoveStream

Spec == Init /\ [][Next]_vars

TypeOK ==
  /\ lock \in Writers \cup {0}
  /\ \A w \in Writers : mem[w].f \in 0..Len(content)
  /\ \A i \in 1..Len(stream) : stream[i] \in 1..Len(content)

\* A-5
OnlyActive ==      \* nobody writes, or cuts off, anything but in the active segment
  [][harms' = harms => \A f \in 1..Len(content) : f # Active => content'[f] = content[f]]_vars

\* V-6
Sealed ==          \* each segment below the active one ends with a segment end, or is damaged there
  \A i \in 1..(Len(stream) - 1) :
    LET c == content[stream[i]] IN c # <<>> /\ (c[Len(c)] = End \/ c[Len(c)] = Bad)
=============================================================================

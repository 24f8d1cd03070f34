------------------------------ MODULE Listing -------------------------------
(***************************************************************************)
(* A listing of a directory is not of one moment (V-11). What is there fr*)
(* before it begins until after it has ended, it shows; what comes or goe*)
(* meanwhile it may show or not, each name on its own: so it can miss a  *)
(* segment and show one that was made after it.                          *)
(*                                                                       *)
(* Segments come above the highest, and go from the lowest on. One name  *)
(* may be lost to damage, in the middle: that is to be told, and nothing *)
(* else. So what is missing between two names that were listed is looked *)
(* up once by itself; and if it is not there, so is the name below it,   *)
(* which, since deletion goes from the lowest on, can only be there still*)
(* if nobody deleted what is missing.                                    *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS MaxSeq, MaxLost

VARIABLES
  there,     \* the names of segments that there are
  always,    \* those that were there all the time since the listing began
  ever,      \* those that were there at any time since
  listed,    \* what it showed, and what was looked up since
  absent,    \* what was looked up and not there
  pc,        \* "idle", "lists", "listed", "sound", "damaged"
  lost,      \* names lost to damage
  early      \* those that were lost before the listing began

vars == <<there, always, ever, listed, absent, pc, lost, early>>

Seqs == 0..MaxSeq
Biggest(S) == CHOOSE x \in S : \A y \in S : x >= y
Least(S) == CHOOSE x \in S : \A y \in S : x <= y

Init ==
  /\ there = {0} /\ always = {} /\ ever = {} /\ listed = {} /\ absent = {}
  /\ pc = "idle" /\ lost = {} /\ early = {}

\* V-5
Name ==
  /\ Biggest(there) < MaxSeq
  /\ there' = there \cup {Biggest(there) + 1} /\ ever' = ever \cup {Biggest(there) + 1}
  /\ UNCHANGED <<always, listed, absent, pc, lost, early>>

\* S-3
Delete ==
  /\ Cardinality(there) > 1
  /\ there' = there \ {Least(there)} /\ always' = always \ {Least(there)}
  /\ UNCHANGED <<ever, listed, absent, pc, lost, early>>

\* M-8
LoseName(n) ==
  /\ Cardinality(lost) < MaxLost /\ lost' = lost \cup {n}
  /\ n \in there /\ n # Least(there) /\ n # Biggest(there)
  /\ there' = there \ {n} /\ always' = always \ {n}
  /\ UNCHANGED <<ever, listed, absent, pc, early>>

\* V-11
BeginListing ==
  /\ pc = "idle" /\ pc' = "lists"
  /\ always' = there /\ ever' = there /\ early' = lost
  /\ UNCHANGED <<there, listed, absent, lost>>

\* V-11
EndListing ==
  /\ pc = "lists" /\ pc' = "listed"
  /\ listed' \in {S \in SUBSET ever : always \subseteq S}
  /\ UNCHANGED <<there, always, ever, absent, lost, early>>

Open(n) ==         \* missing behind a listed number, and before another one
  /\ n \notin listed \cup absent /\ n - 1 \in listed
  /\ \E m \in listed : m > n

\* V-11
LookUp(n) ==
  /\ pc = "listed" /\ Open(n)
  /\ IF n \in there THEN listed' = listed \cup {n} /\ UNCHANGED absent
     ELSE absent' = absent \cup {n} /\ UNCHANGED listed
  /\ UNCHANGED <<there, always, ever, pc, lost, early>>

\* V-9
Conclude ==
  /\ pc = "listed" /\ \A n \in Seqs : ~Open(n)
  /\ pc' = IF \E n \in absent : n - 1 \in there THEN "damaged" ELSE "sound"
  /\ UNCHANGED <<there, always, ever, listed, absent, lost, early>>

Next ==
  \/ Name \/ Delete \/ BeginListing \/ EndListing \/ Conclude
  \/ \E n \in Seqs : LoseName(n) \/ LookUp(n)

Spec == Init /\ [][Next]_vars

TypeOK == there \subseteq Seqs /\ there # {} /\ always \subseteq ever

\* V-9
OnlyDamage == pc = "damaged" => lost # {}

\* V-9
DamageFound ==     \* what was lost before, between two that stayed all the time, is found
  pc = "sound" =>
    ~\E n \in early : \E m \in always : m > n /\ n - 1 \in always
=============================================================================

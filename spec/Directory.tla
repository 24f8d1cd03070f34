----------------------------- MODULE Directory ------------------------------
(***************************************************************************)
(* A directory of segment files, and what a loss of power may leave of it. *)
(*                                                                         *)
(* A file (inode) has content: here a sequence of items, of which the disk *)
(* surely has the first `safe[i]`; a loss of power leaves any longer part. *)
(* (That a part is found for what it is, is the matter of module File.)    *)
(* An item is <<"cp", base>> for the header with its opening checkpoint,   *)
(* <<"rec", id>> for a block with the record id, <<"end">> for a segment   *)
(* end. Names lead to inodes; each name is kept or lost on its own (M-4):  *)
(* `mayName[n]` is the set of what name n may lead to after a loss of      *)
(* power. Names 0..MaxSeq are segments, those in Temps are temporary.     *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  MaxSeq,      \* the highest sequence number
  Temps        \* temporary names, above that

VARIABLES
  content,     \* content[i]: the items of inode i
  safe,        \* safe[i]: how many of them are surely on disk
  name,        \* name[n]: the inode that name n leads to, or 0
  mayName      \* mayName[n]: what it may lead to after a loss of power

dirVars == <<content, safe, name, mayName>>

Seqs == 0..MaxSeq
Names == Seqs \cup Temps
Inodes == 1..Len(content)

Biggest(S) == CHOOSE x \in S : \A y \in S : x >= y
Least(S) == CHOOSE x \in S : \A y \in S : x <= y
IsPrefix(s, t) == Len(s) <= Len(t) /\ SubSeq(t, 1, Len(s)) = s

\* F-7: the segments there are, and the active one
Segments == {n \in Seqs : name[n] # 0}
Active == Biggest(Segments)

IsEnd(item) == item[1] = "end"
IsRec(item) == item[1] = "rec"
Sealed(c) == Len(c) > 0 /\ IsEnd(c[Len(c)])
Recs(c) == SelectSeq(c, LAMBDA x : IsRec(x))

RECURSIVE JoinedTo(_)
JoinedTo(n) ==         \* all records in the segments up to n, in order
  IF n < 0 THEN <<>>
  ELSE JoinedTo(n - 1) \o (IF name[n] = 0 THEN <<>> ELSE Recs(content[name[n]]))
All == JoinedTo(MaxSeq)

AddItem(i, item) == content' = [content EXCEPT ![i] = Append(@, item)]
SyncInode(i) == safe' = [safe EXCEPT ![i] = Len(content[i])]

Rename(from, to) ==
  /\ name' = [name EXCEPT ![from] = 0, ![to] = name[from]]
  /\ mayName' = [mayName EXCEPT ![from] = @ \cup {0}, ![to] = @ \cup {name[from]}]
Unlink(n) ==
  /\ name' = [name EXCEPT ![n] = 0]
  /\ mayName' = [mayName EXCEPT ![n] = @ \cup {0}]
SyncNames ==
  /\ mayName' = [n \in Names |-> {name[n]}]
  /\ UNCHANGED name

RECURSIVE PartsOf(_)
PartsOf(i) ==          \* what inodes 1..i may hold after a loss of power
  IF i = 0 THEN {<<>>}
  ELSE {Append(s, SubSeq(content[i], 1, k)) : s \in PartsOf(i - 1), k \in safe[i]..Len(content[i])}

NamesLeft(c, left) ==  \* the contents c and the names left are what is left
  /\ content' = c
  /\ safe' = [i \in 1..Len(c) |-> Len(c[i])]
  /\ name' = left
  /\ mayName' = [n \in Names |-> {left[n]}]

LoseNames ==
  \E c \in PartsOf(Len(content)) : \E left \in [Names -> UNION {mayName[n] : n \in Names}] :
    /\ \A n \in Names : left[n] \in mayName[n]
    /\ NamesLeft(c, left)
=============================================================================

------------------------------- MODULE Stream -------------------------------
(***************************************************************************)
(* Creating a stream and rolling over from segment to segment (O-1, and    *)
(* chapter 7), with every sync as a step of its own, writers that die      *)
(* between any two of them, and loss of power.                             *)
(*                                                                         *)
(* An append is one step here (Segment takes it apart). A writer *)
(* rolls when the active segment holds PerSegment records. Whoever finds   *)
(* it ending in a segment end finishes what another began, and does all of *)
(* its syncs again (V-6). Two guards are about names: before it appends in *)
(* a segment that it did not make, a writer syncs the directory (V-7); and *)
(* `mine` is the segment in which it need not.                             *)
(*                                                                         *)
(* A writer that was only opened, or must not append, leaves.              *)
(*                                                                         *)
(* `parent` tells whether the directory itself is surely on disk: it lies  *)
(* in a parent, which whoever creates the stream syncs before it makes     *)
(* segment 0 (O-1), for nobody who finds that segment would.               *)
(***************************************************************************)
EXTENDS Directory

CONSTANTS Writers, PerSegment, MaxRecs, MaxDeaths, MaxBoots

VARIABLES
  lock, pc,
  mine,      \* the inode each writer made or has synced the names for, or 0
  todo,      \* the inode each writer must sync before it answers, or 0
  last,      \* the last record of each writer, not yet answered
  parent,    \* the directory's own name is on disk
  count, deaths, boot,
  acked, damaged

vars == <<dirVars, lock, pc, mine, todo, last, parent, count, deaths, boot, acked, damaged>>
other == <<count, deaths, boot, acked, damaged>>

Temp == Biggest(Temps)

Init ==
  /\ content = <<>> /\ safe = <<>>
  /\ name = [n \in Names |-> 0] /\ mayName = [n \in Names |-> {0}]
  /\ lock = 0 /\ pc = [w \in Writers |-> "idle"]
  /\ mine = [w \in Writers |-> 0] /\ todo = [w \in Writers |-> 0]
  /\ last = [w \in Writers |-> 0]
  /\ parent = FALSE /\ count = 0 /\ deaths = 0 /\ boot = 1 /\ acked = {} /\ damaged = FALSE

Go(w, from, to) == pc[w] = from /\ pc' = [pc EXCEPT ![w] = to]
Here == name[Active]                  \* the inode of the active segment
\* V-1
MustRoll == Len(Recs(content[Here])) >= PerSegment /\ Active < MaxSeq
NextOffset == Len(All)

\* A-1
Lock(w) ==
  /\ lock = 0 /\ Go(w, "idle", "look") /\ lock' = w
  /\ UNCHANGED <<dirVars, mine, todo, last, parent, other>>

\* A header that is not there: nobody can open such a segment.
NoHeader == Segments # {} /\ content[Here] = <<>>

\* V-6
Finish(w) ==      \* look at the active segment, and decide
  /\ pc[w] = "look"
  /\ pc' = [pc EXCEPT ![w] =
       IF Segments = {} THEN "parent"
       ELSE IF NoHeader THEN "stopped"
       ELSE IF Sealed(content[Here]) THEN "sealed"
       ELSE IF mine[w] = Here THEN "append" ELSE "names"]
  /\ damaged' = (damaged \/ NoHeader)
  /\ UNCHANGED <<dirVars, lock, mine, todo, last, parent, count, deaths, boot, acked>>

\* V-7
SyncNamesFirst(w) ==
  /\ Go(w, "names", "append")
  /\ SyncNames /\ mine' = [mine EXCEPT ![w] = Here]
  /\ UNCHANGED <<content, safe, lock, todo, last, parent, other>>

\* V-3
Seal(w) ==
  /\ Go(w, "append", "sealed") /\ MustRoll
  /\ AddItem(Here, <<"end">>)
  /\ UNCHANGED <<safe, name, mayName, lock, mine, todo, last, parent, other>>

\* V-3
SyncSeal(w) ==
  /\ Go(w, "sealed", "make")
  /\ SyncInode(Here)
  /\ UNCHANGED <<content, name, mayName, lock, mine, todo, last, parent, other>>

\* V-4
Make(w) ==        \* under the temporary name, over whatever is there
  /\ Go(w, "make", "made")
  /\ content' = Append(content, <<<<"cp", NextOffset>>>>)
  /\ safe' = Append(safe, 0)
  /\ name' = [name EXCEPT ![Temp] = Len(content')]
  /\ mayName' = [mayName EXCEPT ![Temp] = @ \cup {Len(content')}]
  /\ UNCHANGED <<lock, mine, todo, last, parent, other>>

\* V-4
SyncMade(w) ==
  /\ Go(w, "made", "name")
  /\ SyncInode(name[Temp])
  /\ UNCHANGED <<content, name, mayName, lock, mine, todo, last, parent, other>>

\* V-5
Name(w) ==
  /\ Go(w, "name", "named")
  /\ Rename(Temp, IF Segments = {} THEN 0 ELSE Active + 1)
  /\ mine' = [mine EXCEPT ![w] = name[Temp]]
  /\ UNCHANGED <<content, safe, lock, todo, last, parent, other>>

\* V-5
SyncName(w) ==
  /\ Go(w, "named", "append")
  /\ SyncNames
  /\ UNCHANGED <<content, safe, lock, mine, todo, last, parent, other>>

\* O-1
SyncParent(w) ==  \* before segment 0 has its name, so whoever finds it need not
  /\ Go(w, "parent", "make")
  /\ parent' = TRUE
  /\ UNCHANGED <<dirVars, lock, mine, todo, last, other>>

\* A-9
Commit(w) ==
  /\ Go(w, "append", "done") /\ ~MustRoll
  /\ count < MaxRecs /\ count' = count + 1
  /\ AddItem(Here, <<"rec", count'>>)
  /\ last' = [last EXCEPT ![w] = count'] /\ todo' = [todo EXCEPT ![w] = Here]
  /\ UNCHANGED <<safe, name, mayName, lock, mine, parent, deaths, boot, acked, damaged>>

\* A-10
Unlock(w) ==
  /\ Go(w, "done", "sync") /\ lock' = 0
  /\ UNCHANGED <<dirVars, mine, todo, last, parent, other>>

\* O-4
Leave(w) ==
  /\ Go(w, "names", "idle") \/ Go(w, "append", "idle")
  /\ lock' = 0
  /\ UNCHANGED <<dirVars, mine, todo, last, parent, other>>

\* A-11
Sync(w) ==
  /\ Go(w, "sync", "idle")
  /\ SyncInode(todo[w])
  /\ acked' = acked \cup {last[w]}
  /\ UNCHANGED <<content, name, mayName, lock, mine, todo, last, parent, count, deaths, boot, damaged>>

\* A-12
Return(w) ==
  /\ Go(w, "sync", "idle")
  /\ UNCHANGED <<dirVars, lock, mine, todo, last, parent, other>>

Forget(W) ==
  /\ pc' = [w \in Writers |-> IF w \in W THEN "idle" ELSE pc[w]]
  /\ mine' = [w \in Writers |-> IF w \in W THEN 0 ELSE mine[w]]
  /\ todo' = [w \in Writers |-> IF w \in W THEN 0 ELSE todo[w]]
  /\ last' = [w \in Writers |-> IF w \in W THEN 0 ELSE last[w]]
  /\ lock' = IF lock \in W THEN 0 ELSE lock

\* M-3
Die(w) ==
  /\ deaths < MaxDeaths /\ deaths' = deaths + 1
  /\ pc[w] # "stopped"
  /\ Forget({w})
  /\ UNCHANGED <<dirVars, parent, count, boot, acked, damaged>>

\* M-4
PowerLoss ==
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ LoseNames
  /\ Forget(Writers)
  /\ parent' = parent
  /\ UNCHANGED <<count, deaths, acked, damaged>>

\* M-4
LoseDirectory ==  \* the directory's own name was not on disk
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ ~parent /\ UNCHANGED parent
  /\ name' = [n \in Names |-> 0] /\ mayName' = [n \in Names |-> {0}]
  /\ Forget(Writers)
  /\ UNCHANGED <<content, safe, count, deaths, acked, damaged>>

WriterStep(w) ==
  \/ Lock(w) \/ Finish(w) \/ SyncNamesFirst(w) \/ Seal(w) \/ SyncSeal(w)
  \/ Make(w) \/ SyncMade(w) \/ Name(w) \/ SyncName(w) \/ SyncParent(w)
  \/ Commit(w) \/ Unlock(w) \/ Leave(w) \/ Sync(w) \/ Return(w)

Next ==
  \/ \E w \in Writers : WriterStep(w) \/ Die(w)
  \/ PowerLoss
  \/ LoseDirectory

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* The promises.                                                           *)
(***************************************************************************)

TypeOK ==
  /\ \A n \in Names : name[n] \in mayName[n] /\ name[n] \in 0..Len(content)
  /\ \A i \in Inodes : safe[i] \in 0..Len(content[i])
  /\ lock \in Writers \cup {0}

Durable == \A a \in acked : \E i \in 1..Len(All) : All[i] = <<"rec", a>>

\* V-9
NoDamage ==       \* no gap below the active segment, all below sealed and whole
  /\ ~damaged
  /\ \A n \in Segments : n < Active =>
       /\ n + 1 \in Segments
       /\ Sealed(content[name[n]])
  /\ \A i \in Inodes : \A j \in 1..(Len(content[i]) - 1) : ~IsEnd(content[i][j])
  /\ \A n \in Segments : Len(content[name[n]]) > 0 =>
       content[name[n]][1] = <<"cp", Len(JoinedTo(n - 1))>>

\* Records stand in the order in which they were appended.
Prefix == \A i, j \in 1..Len(All) : i < j => All[i][2] < All[j][2]
=============================================================================

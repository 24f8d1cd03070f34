------------------------------- MODULE Steward ------------------------------
(***************************************************************************)
(* The steward deletes and compacts sealed segments while a consumer       *)
(* reads and hops from one to the next, and power is lost (chapters 8, 10).*)
(*                                                                         *)
(* Appending and rolling are one step each; a roller may die before it     *)
(* syncs the directory, so Roll leaves the new name unsynced. Record i has *)
(* offset i, a key, and is a value or a delete marker. The consumer's view *)
(* is what it would have in a table by key: GapFreeUnderSteward says that  *)
(* whatever it did not see was superseded by something that it will see,   *)
(* or is a marker for what it never saw; else it must be told.             *)
(*                                                                         *)
(* Blocks that a compaction keeps without records, since the age of the    *)
(* segment hangs on them (F-38), hold nothing here: there are no ages, a   *)
(* segment may be deleted at any time. Nor must all go that may.           *)
(*                                                                         *)
(* Time: a consumer that is away, or on its way back, is taken to have no  *)
(* marker before it that is older than marker_grace_ms (S-7). One that     *)
(* never lets go of its pins needs no such assumption: FreeBelow protects  *)
(* it from what the steward does above it, V-8 from what it does below.    *)
(***************************************************************************)
EXTENDS Directory

CONSTANTS Keys, PerSegment, MaxRecs, MaxInodes, MaxBoots, Forced, MayBeAway

VARIABLES
  hist,      \* all records: their key, and whether they are markers
  gone,      \* the highest record that was deleted by retention
  boot,
  cpc,       \* consumer: "new", "open", "locked", "read", "hopopen", "hoplocked", "hopsure", "away", "told"
  seg, ino,  \* the segment it is in, and the file it holds
  nseg, nino,\* the same of where it hops to
  pins,      \* the inodes that it holds shared locks on
  next,      \* the next record it wants
  start, seen,
  spc, at,   \* steward: "rest", "pass", "excl", "unlinked", "built", "synced", "excl2", "renamed"
  excl,      \* the inode locked exclusively, or 0
  top,       \* the active segment in the list that its pass goes by
  tried,     \* segments that it found free, the lowest first, since it last took records out below
  aged,      \* markers that were older than marker_grace_ms when the pass began
  old        \* markers that went because they were older than marker_grace_ms

consumer == <<cpc, seg, ino, nseg, nino, pins, next, start, seen>>
steward == <<spc, at, excl, top, tried, aged, old>>
vars == <<dirVars, hist, gone, boot, consumer, steward>>

Temp == Biggest(Temps)
Item(i) == <<"rec", i>>

Init ==
  /\ content = <<<<<<"cp", 0>>>>>> /\ safe = <<1>>
  /\ name = [n \in Names |-> IF n = 0 THEN 1 ELSE 0]
  /\ mayName = [n \in Names |-> {name[n]}]
  /\ hist = <<>> /\ gone = 0 /\ boot = 1
  /\ cpc = "new" /\ seg = 0 /\ ino = 0 /\ nseg = 0 /\ nino = 0 /\ pins = {}
  /\ next = 0 /\ start = 0 /\ seen = {}
  /\ spc = "rest" /\ at = 0 /\ excl = 0 /\ top = 0 /\ tried = {} /\ aged = {} /\ old = {}

(***************************************************************************)
(* A writer, in large steps.                                               *)
(***************************************************************************)

\* A-9
Commit ==
  /\ Len(hist) < MaxRecs /\ Segments # {} /\ ~Sealed(content[name[Active]])
  /\ Len(Recs(content[name[Active]])) < PerSegment
  /\ \E k \in Keys, m \in BOOLEAN : hist' = Append(hist, [key |-> k, marker |-> m])
  /\ AddItem(name[Active], Item(Len(hist')))
  /\ SyncNames
  /\ UNCHANGED <<safe, gone, boot, consumer, steward>>

\* V-3, V-4, V-5
Roll ==
  /\ Segments # {} /\ Active < MaxSeq /\ Len(content[name[Active]]) > 1
  /\ content' = Append([content EXCEPT ![name[Active]] = IF Sealed(@) THEN @ ELSE Append(@, <<"end">>)],
                       <<<<"cp", Len(hist)>>>>)
  /\ safe' = Append([safe EXCEPT ![name[Active]] = Len(content'[name[Active]])], 1)
  /\ name' = [name EXCEPT ![Active + 1] = Len(content')]
  /\ mayName' = [mayName EXCEPT ![Active + 1] = {0, Len(content')}]
  /\ UNCHANGED <<hist, gone, boot, consumer, steward>>

(***************************************************************************)
(* The steward: whoever holds steward.lock, from BeginPass on.             *)
(***************************************************************************)

Leads(n, i) == name[n] = i

\* S-7
Graced(i) == (cpc \in {"away", "open", "locked"} /\ seen # {}) => next > i

\* S-1
BeginPass ==     \* by a list that was made before the sync
  /\ spc \in {"rest", "pass"} /\ spc' = "pass" /\ SyncNames
  /\ top' \in Segments /\ tried' = {} /\ UNCHANGED old
  /\ aged' = {i \in 1..Len(hist) : hist[i].marker /\ Graced(i)}
  /\ UNCHANGED <<content, safe, hist, gone, boot, consumer, at, excl>>

\* S-2
Touchable == {n \in Segments : n < top}

\* S-3
LockToDelete ==
  /\ spc = "pass" /\ Touchable # {} /\ at' = Least(Segments)
  /\ name[at'] \notin pins
  /\ spc' = "excl" /\ excl' = name[at']
  /\ UNCHANGED <<top, tried, aged, old, dirVars, hist, gone, boot, consumer>>

Highest(n) ==    \* the highest record that segment n may hold
  IF name[n + 1] = 0 THEN Len(hist) ELSE content[name[n + 1]][1][2]

\* S-3
Delete ==
  /\ spc = "excl" /\ spc' = "unlinked" /\ excl' = 0 /\ tried' = {}
  /\ gone' = Highest(at) /\ Unlink(at)
  /\ UNCHANGED <<top, aged, old, content, safe, hist, boot, consumer, at>>

\* S-4
DeleteForced ==  \* it was held when it was tried
  /\ Forced /\ spc = "pass" /\ Touchable # {} /\ at' = Least(Segments)
  /\ spc' = "unlinked" /\ gone' = Highest(at') /\ Unlink(at') /\ tried' = {}
  /\ UNCHANGED <<top, aged, old, content, safe, hist, boot, consumer, excl>>

\* S-3
SyncDelete ==
  /\ spc = "unlinked" /\ spc' = "pass" /\ SyncNames
  /\ UNCHANGED <<top, tried, aged, old, content, safe, hist, gone, boot, consumer, at, excl>>

SealedRecs == {i \in 1..Len(hist) : \E n \in Touchable : i <= Highest(n)}
InLower(k, n) ==   \* a lower segment can hold a record with the key k
  \E m \in Segments : m < n /\ \E j \in 1..Len(content[name[m]]) :
    IsRec(content[name[m]][j]) /\ hist[content[name[m]][j][2]].key = k

\* S-5
Superseded(i) == \E j \in SealedRecs : j > i /\ hist[j].key = hist[i].key

\* S-7
FreeBelow(n) == \A m \in Segments : m < n => m \in tried

MarkersAbove(n) ==
  \E i \in aged : \E m \in Touchable :
    m > n /\ \E j \in 1..Len(content[name[m]]) : content[name[m]][j] = Item(i)

\* S-7
TryFree(n) ==     \* one by one, while consumers go on: who is in a segment only moves up
  /\ spc = "pass" /\ n \in Touchable \ tried /\ FreeBelow(n) /\ MarkersAbove(n)
  /\ name[n] \notin pins
  /\ tried' = tried \cup {n}
  /\ UNCHANGED <<spc, at, excl, top, aged, old, dirVars, hist, gone, boot, consumer>>

\* S-7
MarkerGoes(i, n) == i \in aged /\ ~InLower(hist[i].key, n) /\ FreeBelow(n)

MayGo(n) ==        \* what may be removed from segment n, all of it or some
  {i \in 1..Len(hist) : (Superseded(i) \/ MarkerGoes(i, n))
                        /\ \E j \in 1..Len(content[name[n]]) : content[name[n]][j] = Item(i)}

BuildWithout(n, R) ==
  /\ spc = "pass" /\ Len(content) < MaxInodes
  /\ n \in Touchable /\ R \subseteq MayGo(n) /\ R # {}
  /\ at' = n /\ tried' = {m \in tried : m < n}
  /\ old' = old \cup {i \in R : ~Superseded(i)}
  /\ content' = Append(content, SelectSeq(content[name[n]], LAMBDA x : ~IsRec(x) \/ x[2] \notin R))
  /\ safe' = Append(safe, 0)
  /\ name' = [name EXCEPT ![Temp] = Len(content')]
  /\ mayName' = [mayName EXCEPT ![Temp] = @ \cup {Len(content')}]
  /\ spc' = "built"
  /\ UNCHANGED <<top, aged, hist, gone, boot, consumer, excl>>

\* S-6
Build == \E n \in Touchable : \E R \in SUBSET MayGo(n) : BuildWithout(n, R)

\* S-6
SyncBuilt ==
  /\ spc = "built" /\ spc' = "synced" /\ SyncInode(name[Temp])
  /\ UNCHANGED <<top, tried, aged, old, content, name, mayName, hist, gone, boot, consumer, at, excl>>

\* S-6
LockToReplace ==
  /\ spc = "synced"
  /\ name[at] \notin pins
  /\ spc' = "excl2" /\ excl' = name[at] /\ tried' = tried \cup {at}
  /\ UNCHANGED <<top, aged, old, dirVars, hist, gone, boot, consumer, at>>

\* S-6
LeaveAsItIs ==
  /\ spc = "synced" /\ name[at] \in pins /\ spc' = "pass"
  /\ UNCHANGED <<top, tried, aged, old, dirVars, hist, gone, boot, consumer, at, excl>>

\* S-6
Replace ==
  /\ spc = "excl2" /\ spc' = "renamed" /\ excl' = 0
  /\ Rename(Temp, at)
  /\ UNCHANGED <<top, tried, aged, old, content, safe, hist, gone, boot, consumer, at>>

\* S-6
SyncReplace ==
  /\ spc = "renamed" /\ spc' = "pass" /\ SyncNames
  /\ UNCHANGED <<top, tried, aged, old, content, safe, hist, gone, boot, consumer, at, excl>>

\* S-1
UnlockSteward ==
  /\ spc = "pass" /\ spc' = "rest" /\ at' = 0 /\ top' = 0 /\ tried' = {} /\ aged' = {}
  /\ UNCHANGED <<excl, old, dirVars, hist, gone, boot, consumer>>

\* M-3
StewardDies ==
  /\ spc # "rest" /\ spc' = "rest" /\ at' = 0 /\ excl' = 0 /\ top' = 0 /\ tried' = {} /\ aged' = {}
  /\ UNCHANGED <<old, dirVars, hist, gone, boot, consumer>>

(***************************************************************************)
(* The consumer.                                                           *)
(***************************************************************************)

World == <<dirVars, hist, gone, boot, steward>>
Base(n) == content[name[n]][1][2]     \* offsets below it lie in lower segments
Holder(i) == {n \in Segments : Base(n) < i}
Newest(i) ==         \* where i is, or was before a segment began right there, by an older list
  LET h == Holder(i) IN {n \in h : n = Biggest(h) \/ (n + 1 \in h /\ Base(n + 1) = i - 1)}

\* R-9
Seek ==
  /\ cpc \in {"new", "away"} /\ Segments # {}
  /\ IF cpc = "new"
       THEN seg' = Least(Segments) /\ start' = Base(Least(Segments)) + 1 /\ next' = start' /\ cpc' = "open"
       ELSE IF Holder(next) = {} THEN cpc' = "told" /\ UNCHANGED <<seg, start, next>>
       ELSE seg' \in Newest(next) /\ cpc' = "open" /\ UNCHANGED <<start, next>>
  /\ ino' = IF cpc' = "open" THEN name[seg'] ELSE 0
  /\ UNCHANGED <<World, nseg, nino, pins, seen>>

\* R-2
Pin ==
  /\ cpc = "open" /\ excl # ino
  /\ cpc' = "locked" /\ pins' = pins \cup {ino}
  /\ UNCHANGED <<World, seg, ino, nseg, nino, next, start, seen>>

Again == IF start = next /\ seen = {} THEN "new" ELSE "away"

\* R-2
CheckName ==
  /\ cpc = "locked"
  /\ IF Leads(seg, ino) THEN cpc' = "read" /\ UNCHANGED pins
     ELSE cpc' = Again /\ pins' = pins \ {ino}
  /\ UNCHANGED <<World, seg, ino, nseg, nino, next, start, seen>>

Wanted == {i \in next..Len(hist) : \E j \in 1..Len(content[ino]) : content[ino][j] = Item(i)}

\* R-3
Read ==
  /\ cpc = "read" /\ Wanted # {}
  /\ seen' = seen \cup {Least(Wanted)} /\ next' = Least(Wanted) + 1
  /\ UNCHANGED <<World, cpc, seg, ino, nseg, nino, pins, start>>

\* V-8
HopOpen ==
  /\ cpc = "read" /\ Wanted = {} /\ Sealed(content[ino]) /\ seg < MaxSeq
  /\ IF name[seg + 1] # 0
       THEN cpc' = "hopopen" /\ nseg' = seg + 1 /\ nino' = name[seg + 1] /\ UNCHANGED pins
       ELSE /\ \E n \in Segments : n > seg + 1     \* V-9: no reason to wait
            /\ cpc' = "told" /\ UNCHANGED <<pins, nseg, nino>>
  /\ UNCHANGED <<World, seg, ino, next, start, seen>>

\* V-8
HopPin ==
  /\ cpc = "hopopen" /\ excl # nino
  /\ cpc' = "hoplocked" /\ pins' = pins \cup {nino}
  /\ UNCHANGED <<World, seg, ino, nseg, nino, next, start, seen>>

\* R-2
HopCheckName ==
  /\ cpc = "hoplocked"
  /\ IF Leads(nseg, nino) THEN cpc' = "hopsure" /\ UNCHANGED pins
     ELSE cpc' = "read" /\ pins' = {ino}
  /\ UNCHANGED <<World, seg, ino, nseg, nino, next, start, seen>>

\* V-8
LookBack ==
  /\ cpc = "hopsure"
  /\ IF Leads(seg, ino)
       THEN cpc' = "read" /\ seg' = nseg /\ ino' = nino /\ pins' = {nino}
            /\ next' = Biggest({next, content[nino][1][2] + 1})
       ELSE cpc' = "told" /\ UNCHANGED <<pins, seg, ino, next>>
  /\ UNCHANGED <<World, nseg, nino, start, seen>>

\* L-8
PinTimesOut ==   \* somebody has it exclusively
  /\ \/ cpc = "open" /\ cpc' = Again
     \/ cpc = "hopopen" /\ cpc' = "read"
  /\ UNCHANGED <<World, seg, ino, nseg, nino, pins, next, start, seen>>

\* C-2
GoAway ==        \* it stops, its position kept, and will be back
  /\ MayBeAway /\ cpc = "read" /\ seen # {} /\ pins' = {}
  /\ \A i \in old : next > i      \* it lags by less than marker_grace_ms
  /\ aged' = {i \in aged : next > i}     \* so the others were not that old
  /\ cpc' = "away"
  /\ UNCHANGED <<dirVars, hist, gone, boot, spc, at, excl, top, tried, old, seg, ino, nseg, nino, next, start, seen>>

NewConsumer ==   \* nothing read, nothing held
  /\ cpc' = "new" /\ pins' = {} /\ seen' = {} /\ next' = 0 /\ start' = 0
  /\ seg' = 0 /\ ino' = 0 /\ nseg' = 0 /\ nino' = 0

\* M-3
ConsumerDies ==  \* or ends; the next one begins at the beginning
  /\ cpc # "new" /\ NewConsumer
  /\ UNCHANGED World

First(c) == IF c = <<>> THEN 0 ELSE c[1][2]

Restart ==       \* of all, after a loss of power
  /\ boot < MaxBoots /\ boot' = boot + 1
  /\ hist' = IF Segments' = {} THEN hist
             ELSE SubSeq(hist, 1, Biggest({First(content'[name'[Biggest(Segments')]])} \cup
                    {i \in 1..Len(hist) : \E j \in 1..Len(content'[name'[Biggest(Segments')]]) :
                       content'[name'[Biggest(Segments')]][j] = Item(i)}))
  /\ gone' = IF Segments' = {} THEN gone ELSE First(content'[name'[Least(Segments')]])
  /\ NewConsumer
  /\ spc' = "rest" /\ at' = 0 /\ excl' = 0 /\ top' = 0 /\ tried' = {} /\ aged' = {} /\ old' = {}

\* M-4
PowerLoss == boot < MaxBoots /\ LoseNames /\ Restart

WriterStep == Commit \/ Roll
StewardStep ==
  \/ BeginPass \/ LockToDelete \/ Delete \/ DeleteForced \/ SyncDelete \/ Build
  \/ SyncBuilt \/ LockToReplace \/ LeaveAsItIs \/ Replace \/ SyncReplace
  \/ UnlockSteward \/ StewardDies \/ \E n \in Touchable : TryFree(n)
ConsumerStep ==
  \/ Seek \/ Pin \/ CheckName \/ Read \/ HopOpen \/ HopPin \/ HopCheckName
  \/ LookBack \/ PinTimesOut \/ GoAway \/ ConsumerDies

Next ==
  \/ WriterStep
  \/ StewardStep
  \/ ConsumerStep
  \/ PowerLoss

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* The promises.                                                           *)
(***************************************************************************)

TypeOK ==
  /\ excl \in 0..Len(content) /\ pins \subseteq Inodes
  /\ next \in 0..(MaxRecs + 1) /\ seen \subseteq 1..Len(hist)

\* L-1
Exclusion == excl = 0 \/ excl \notin pins

\* R-2
PinnedStays ==     \* what is read under a pin stays, unless it is taken by force
  cpc = "read" => Leads(seg, ino) \/ (Forced /\ name[seg] = 0)

Last(S) == IF S = {} THEN 0 ELSE Biggest(S)
OfKey(k, S) == {i \in S : hist[i].key = k}
Holds(S, k) ==     \* what a table by key made of the records S holds for k
  LET z == Last(OfKey(k, S)) IN IF z = 0 THEN 0 ELSE IF hist[z].marker THEN 0 ELSE z

Present == {i \in 1..Len(hist) : \E j \in 1..Len(All) : All[j] = Item(i)}

\* What is in the stream makes the same table as all that was written to it.
NothingDestroyed ==
  Segments # {} => \A k \in Keys : Holds(Present, k) = Holds((gone + 1)..Len(hist), k)

\* V-9
NoDamage ==
  /\ Segments # {}
  /\ \A n \in Segments : n < Active => n + 1 \in Segments
  /\ \A n \in Segments : content[name[n]] # <<>>
                       /\ (n < Active => Sealed(content[name[n]]))

GapFreeUnderSteward ==
  cpc \in {"read", "hopopen", "hoplocked", "hopsure"} =>
    \A k \in Keys :
      LET z == Last(OfKey(k, (start..(next - 1)) \cap (1..Len(hist)))) IN
      \/ z = 0 \/ z \in seen
      \/ OfKey(k, next..Len(hist)) # {}
      \/ hist[z].marker /\ Holds(seen, k) = 0
=============================================================================

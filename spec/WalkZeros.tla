------------------------------ MODULE WalkZeros ------------------------------
(***************************************************************************)
(* Zeros ahead of the end (chapter 12): the graph of this configuration is *)
(* walked by the shipped code, as that of Walk is.                         *)
(*                                                                         *)
(* Writer 1 appends durably, and puts zeros; writer 2 leaves them to       *)
(* others, and meets them. The constraint says what the protocol leaves    *)
(* open and the code does. It puts zeros once, behind a block that it has  *)
(* just appended, if the file ends there; there may be room for a part of  *)
(* them only. When it is closed it cuts off what it put itself.            *)
(*                                                                         *)
(* Which process put zeros, or appended a block, no variable says. Where   *)
(* the code would act by that, one of the two ways to such a state is left *)
(* out: a death between commit and zeros, after which the block would be   *)
(* found as a duplicate (AppendDeath has it), and a close after a death or *)
(* among zeros that were not put at this end.                              *)
(***************************************************************************)
EXTENDS Walk

EndsAt(w) == len < EndOf(mem[w])        \* the file ends where the writer remembers the end

\* The last block is the writer's, of this boot: for a request that it is at, or was.
OwnLast(w, r) ==
  mem[w] # <<>> /\ BootOf(mem[w]) = boot /\ made[LastOf(mem[w])].req = <<w, r>>

\* What Z-1 leaves open
PutsOnce ==
  (pc[1] = "done" /\ pc'[1] = "done" /\ len' > len) => EndsAt(1) /\ OwnLast(1, req[1])

NeverOfTwo == pc[2] = "done" /\ pc'[2] = "done" => len' = len

\* Whoever puts zeros appends durably (A-11)
AnswersDurably == req'[1] # req[1] => <<1, req[1]>> \in acked'

DiesWithZeros ==
  (deaths' > deaths /\ pc[1] \in {"done", "sync"} /\ pc'[1] = "idle" /\ OwnLast(1, req[1]))
    => ~EndsAt(1)

\* What Z-8 leaves open
Closes(w) == pc[w] = "ready" /\ pc'[w] = "idle" /\ len' < len /\ deaths' = deaths /\ boot' = boot
ClosesItsOwn ==
  /\ ~Closes(2)
  /\ Closes(1) => /\ deaths = 0 /\ OwnLast(1, req[1] - 1)
                  /\ known[1] >= EndOf(mem[1]) /\ len = EndOf(mem[1]) - 1 + MaxZeros

\* Either a death or a loss of power, and that where something stands behind the end, or may
\* stand there on the disk. All else is Walk's.
OneFate ==
  /\ deaths' + boot' <= 2
  /\ boot' > boot => Max(mayLen) >= EndOf(Chain)

AsPut == OneFate /\ PutsOnce /\ NeverOfTwo /\ AnswersDurably /\ DiesWithZeros /\ ClosesItsOwn
=============================================================================

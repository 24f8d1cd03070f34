---------------------------- MODULE StewardPower ----------------------------
(***************************************************************************)
(* Power is lost while the steward is at work: is every sync of file and   *)
(* directory where it must be, and are only records superseded that stay   *)
(* superseded? The consumer does not matter here, and stays out.           *)
(***************************************************************************)
EXTENDS Steward
NextQuiet == WriterStep \/ StewardStep \/ PowerLoss
SpecQuiet == Init /\ [][NextQuiet]_vars
=============================================================================

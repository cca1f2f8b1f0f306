/* match: patterns of nodes, and finding them in a graph.
 *
 * A pattern is a tree that is read from a result to what it is made of. Patterns are constants, written with the
 * macros below:
 *
 *    enum { X };
 *    static const pare_pattern *const silu = P_PRODUCT(1, P_ANY(X), P_OP(sigmoid, P_ANY(X)));
 *
 *    pare_match m;
 *    if (pare_match_find(&m, graph, &uses, node, patterns)) ... m.value[X] ...
 *
 * P_ANY(slot)           any value; a slot that is filled already must hold the same one
 * P_CONST(slot)         the result of a constant node
 * P_NUMBER(x)           a constant that is x everywhere
 * P_SCALAR(slot)        a constant of one number everywhere, kept in number[slot]
 * P_OP(op, ...)         a node of one result with these inputs; those of add, mul, max and min in any order
 * P_KEEP(slot, p)       p, its value kept
 * P_EITHER(...)         the first of these that fits
 * P_PRODUCT(x, ...)     a product of x and these, in any order and nesting: chains of mul, division by and
 *                       factors of one number, neg, and powers 2 to 4 are taken apart
 * P_SCALED(slot, p)     p times a number, kept in number[slot]; p alone is p times 1
 *
 * Numbers fit within a relative error of PARE_MATCH_TOLERANCE. Inside a match, no value but the last may be used
 * from outside of it. */
#ifndef PARE_IR_MATCH_H
#define PARE_IR_MATCH_H

#include "ir/uses.h"

enum { PARE_MATCH_SLOTS = 12, PARE_MATCH_NODES = 40, PARE_MATCH_PARTS = 6, PARE_MATCH_WHY = 320 };
#define PARE_MATCH_TOLERANCE 1e-5

typedef enum pare_pattern_kind {
   PARE_PATTERN_ANY,
   PARE_PATTERN_CONST,
   PARE_PATTERN_NUMBER,
   PARE_PATTERN_SCALAR,
   PARE_PATTERN_OP,
   PARE_PATTERN_KEEP,
   PARE_PATTERN_EITHER,
   PARE_PATTERN_PRODUCT,
   PARE_PATTERN_SCALED
} pare_pattern_kind;

typedef struct pare_pattern {
   pare_pattern_kind kind;
   pare_op op;
   int slot;
   double number;
   const struct pare_pattern *part[PARE_MATCH_PARTS + 1]; /* up to the first NULL */
} pare_pattern;

#define PARE_PATTERN(...) (&(const pare_pattern){ __VA_ARGS__ })
#define P_ANY(s) PARE_PATTERN(.kind = PARE_PATTERN_ANY, .slot = s)
#define P_CONST(s) PARE_PATTERN(.kind = PARE_PATTERN_CONST, .slot = s)
#define P_NUMBER(x) PARE_PATTERN(.kind = PARE_PATTERN_NUMBER, .number = x)
#define P_SCALAR(s) PARE_PATTERN(.kind = PARE_PATTERN_SCALAR, .slot = s)
#define P_OP(o, ...) PARE_PATTERN(.kind = PARE_PATTERN_OP, .op = PARE_OP_##o, .part = { __VA_ARGS__ })
#define P_KEEP(s, p) PARE_PATTERN(.kind = PARE_PATTERN_KEEP, .slot = s, .part = { p })
#define P_EITHER(...) PARE_PATTERN(.kind = PARE_PATTERN_EITHER, .part = { __VA_ARGS__ })
#define P_PRODUCT(x, ...) PARE_PATTERN(.kind = PARE_PATTERN_PRODUCT, .number = x, .part = { __VA_ARGS__ })
#define P_SCALED(s, p) PARE_PATTERN(.kind = PARE_PATTERN_SCALED, .slot = s, .part = { p })

typedef struct pare_match {
   pare_value *value[PARE_MATCH_SLOTS];
   double number[PARE_MATCH_SLOTS];
   size_t pattern;                      /* pare_match_find: the number of the pattern that fits */
   pare_node *root;                     /* the last node */
   pare_node *inside[PARE_MATCH_NODES]; /* all, without constants */
   size_t n_inside;
   const pare_uses *uses;
   const pare_node *anchor;   /* NULL, or what tries must get to for their reason to count */
   size_t reached;            /* nodes inside when the best try failed */
   char why[PARE_MATCH_WHY];  /* what that try lacked: a text */
} pare_match;

/* The pattern with `root` as its last node; m starts anew. False with m->why. */
bool pare_match_at(pare_match *m, const pare_uses *uses, const pare_pattern *pattern, pare_node *root);
/* Of all patterns (NULL-terminated) at all nodes from `anchor` on down to its eighth user, the match with the
 * most nodes that has `anchor` inside. False with m->why: what the try that went furthest lacked. */
bool pare_match_find(pare_match *m, const pare_uses *uses, const pare_pattern *const *patterns,
                     pare_node *anchor);
/* Counts the node in, as if the pattern had gone so far; false when the match is full. */
bool pare_match_enter(pare_match *m, pare_node *node);
bool pare_match_has(const pare_match *m, const pare_node *node);

/* The one number that a constant value holds everywhere. */
bool pare_value_number(const pare_value *value, double *out);

#endif

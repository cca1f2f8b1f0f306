/* match: see match.h. A try that fails is undone by restoring the match as it was (copies are small); only the
 * reason of the try that went furthest is kept. Alternatives are tried in order, without going back to an
 * earlier choice inside a part that has matched. */
#include "ir/match.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "ir/op.h"

enum { LEAVES = 8, USERS_DEEP = 8, ROOTS = 128 };

static bool match_value(pare_match *m, const pare_pattern *pattern, pare_value *value);

/* ---- numbers ---- */

bool pare_value_number(const pare_value *value, double *out)
{
   const pare_node *node = value->producer;
   if (!node || node->op != PARE_OP_constant) return false;
   const pare_weight *weight = node->weight[0];
   if (!pare_encoding_is_float(weight->encoding.kind)) return false;
   float first = pare_weight_value(weight, 0);
   for (int64_t i = 1; i < pare_weight_count(weight); i++)
      if (pare_weight_value(weight, i) != first) return false;
   *out = (double)first;
   return true;
}

static bool is_near(double found, double wanted)
{
   return found == wanted || fabs(found - wanted) <= PARE_MATCH_TOLERANCE * fabs(wanted);
}

/* ---- why not ---- */

bool pare_match_has(const pare_match *m, const pare_node *node)
{
   for (size_t i = 0; i < m->n_inside; i++)
      if (m->inside[i] == node) return true;
   return false;
}

static const char *name_of(const pare_value *value)
{
   return value->producer ? value->producer->name : value->name;
}

PARE_PRINTF(2, 3) static bool lacks(pare_match *m, const char *fmt, ...)
{
   size_t reached = m->anchor && !pare_match_has(m, m->anchor) ? 0 : m->n_inside + 1;
   if (m->why[0] && reached < m->reached) return false;
   va_list args;
   va_start(args, fmt);
   vsnprintf(m->why, sizeof m->why, fmt, args);
   va_end(args);
   m->reached = reached;
   return false;
}

/* Back to where a try began, but for the reason it failed. */
static void restore(pare_match *m, const pare_match *before)
{
   pare_match failed = *m;
   *m = *before;
   m->reached = failed.reached;
   snprintf(m->why, sizeof m->why, "%s", failed.why);
}

/* ---- parts ---- */

bool pare_match_enter(pare_match *m, pare_node *node)
{
   if (pare_match_has(m, node)) return true;
   if (m->n_inside == PARE_MATCH_NODES) return lacks(m, "the pattern has too many nodes");
   m->inside[m->n_inside++] = node;
   return true;
}

static bool keep(pare_match *m, int slot, pare_value *value)
{
   if (m->value[slot] && m->value[slot] != value)
      return lacks(m, "%s and %s should be the same value", name_of(m->value[slot]), name_of(value));
   m->value[slot] = value;
   return true;
}

static bool match_number(pare_match *m, double wanted, double found, const char *where)
{
   return is_near(found, wanted) || lacks(m, "the number of %s is %.9g, expected %.9g", where, found, wanted);
}

static bool match_inputs(pare_match *m, const pare_pattern *pattern, const pare_node *node, bool swapped)
{
   for (size_t i = 0; i < node->n_inputs; i++) {
      if (!pattern->part[i]) return lacks(m, "%s has more inputs than the pattern", node->name);
      if (!match_value(m, pattern->part[i], node->input[swapped ? 1 - i : i])) return false;
   }
   return true;
}

static bool is_commutative(pare_op op)
{
   return op == PARE_OP_add || op == PARE_OP_mul || op == PARE_OP_max || op == PARE_OP_min;
}

static bool match_op(pare_match *m, const pare_pattern *pattern, pare_value *value)
{
   pare_node *node = value->producer;
   const char *wanted = pare_ops[pattern->op]->name;
   if (!node) return lacks(m, "%s is an input, expected the result of %s", value->name, wanted);
   if (node->op != pattern->op || node->n_outputs != 1)
      return lacks(m, "%s is %s, expected %s", node->name, pare_ops[node->op]->name, wanted);
   if (!pare_match_enter(m, node)) return false;
   pare_match before = *m;
   if (match_inputs(m, pattern, node, false)) return true;
   if (!is_commutative(pattern->op)) return false;
   restore(m, &before);
   return match_inputs(m, pattern, node, true);
}

static bool match_either(pare_match *m, const pare_pattern *pattern, pare_value *value)
{
   pare_match before = *m;
   for (size_t i = 0; pattern->part[i]; i++) {
      if (match_value(m, pattern->part[i], value)) return true;
      restore(m, &before);
   }
   return false;
}

/* ---- products ---- */

typedef struct product {
   double number;
   pare_value *leaf[LEAVES];
   size_t n_leaves;
} product;

static bool add_leaf(pare_match *m, product *p, pare_value *value)
{
   if (p->n_leaves == LEAVES) return lacks(m, "the product at %s has too many factors", name_of(value));
   p->leaf[p->n_leaves++] = value;
   return true;
}

/* One number that is no row or matrix of equal ones: those may be gains. */
static bool is_factor(const pare_value *value, double *out)
{
   return pare_value_number(value, out) && pare_weight_count(value->producer->weight[0]) == 1;
}

/* Takes a chain apart. Inside it, a value that is used elsewhere too is a factor as it is. */
static bool take_apart(pare_match *m, product *p, pare_value *value, bool top)
{
   pare_node *node = value->producer;
   double number;
   if (is_factor(value, &number)) {
      p->number *= number;
      return true;
   }
   if (!node || (!top && pare_uses_count(m->uses, value) != 1)) return add_leaf(m, p, value);
   if (node->op == PARE_OP_mul)
      return pare_match_enter(m, node) && take_apart(m, p, node->input[0], false) &&
             take_apart(m, p, node->input[1], false);
   if (node->op == PARE_OP_div && is_factor(node->input[1], &number)) {
      p->number /= number;
      return pare_match_enter(m, node) && take_apart(m, p, node->input[0], false);
   }
   if (node->op == PARE_OP_neg) {
      p->number = -p->number;
      return pare_match_enter(m, node) && take_apart(m, p, node->input[0], false);
   }
   if (node->op == PARE_OP_pow && pare_value_number(node->input[1], &number) && number >= 2 && number <= 4 &&
       number == trunc(number)) {
      bool fits = pare_match_enter(m, node);
      for (int i = 0; i < (int)number && fits; i++) fits = add_leaf(m, p, node->input[0]);
      return fits;
   }
   return add_leaf(m, p, value);
}

/* Parts from number `part` on, each to a factor that is not `taken`. */
static bool match_factors(pare_match *m, const pare_pattern *pattern, const product *p, size_t part,
                          unsigned taken)
{
   if (!pattern->part[part]) return true;
   pare_match before = *m;
   for (size_t i = 0; i < p->n_leaves; i++) {
      if (taken & 1u << i) continue;
      if (match_value(m, pattern->part[part], p->leaf[i]) &&
          match_factors(m, pattern, p, part + 1, taken | 1u << i))
         return true;
      restore(m, &before);
   }
   return false;
}

static bool match_product(pare_match *m, const pare_pattern *pattern, pare_value *value)
{
   product p = { .number = 1 };
   size_t wanted = 0;
   while (pattern->part[wanted]) wanted++;
   if (!take_apart(m, &p, value, true)) return false;
   if (p.n_leaves != wanted)
      return lacks(m, "the product at %s has %zu factors beside numbers, expected %zu", name_of(value), p.n_leaves,
                   wanted);
   return match_number(m, pattern->number, p.number, name_of(value)) && match_factors(m, pattern, &p, 0, 0);
}

/* Only factors that are numbers are taken off. */
static bool match_scaled(pare_match *m, const pare_pattern *pattern, pare_value *value)
{
   double number = 1, factor;
   bool top = true;
   for (pare_node *node = value->producer; node; node = value->producer, top = false) {
      pare_value *rest = NULL;
      if (!top && pare_uses_count(m->uses, value) != 1) break;
      if (node->op == PARE_OP_mul && is_factor(node->input[1], &factor)) rest = node->input[0];
      else if (node->op == PARE_OP_mul && is_factor(node->input[0], &factor)) rest = node->input[1];
      else if (node->op == PARE_OP_div && is_factor(node->input[1], &factor)) rest = node->input[0];
      if (!rest) break;
      number = node->op == PARE_OP_div ? number / factor : number * factor;
      value = rest;
      if (!pare_match_enter(m, node)) return false;
   }
   m->number[pattern->slot] = number;
   return match_value(m, pattern->part[0], value);
}

static bool match_value(pare_match *m, const pare_pattern *pattern, pare_value *value)
{
   double number;
   switch (pattern->kind) {
   case PARE_PATTERN_ANY: return keep(m, pattern->slot, value);
   case PARE_PATTERN_CONST:
      if (value->producer && value->producer->op == PARE_OP_constant) return keep(m, pattern->slot, value);
      return lacks(m, "%s is computed, expected a constant", name_of(value));
   case PARE_PATTERN_NUMBER:
      if (!pare_value_number(value, &number))
         return lacks(m, "%s is not the number %g", name_of(value), pattern->number);
      return match_number(m, pattern->number, number, name_of(value));
   case PARE_PATTERN_SCALAR:
      if (pare_value_number(value, &m->number[pattern->slot])) return true;
      return lacks(m, "%s is not a constant of one number", name_of(value));
   case PARE_PATTERN_OP: return match_op(m, pattern, value);
   case PARE_PATTERN_KEEP:
      return match_value(m, pattern->part[0], value) && keep(m, pattern->slot, value);
   case PARE_PATTERN_EITHER: return match_either(m, pattern, value);
   case PARE_PATTERN_PRODUCT: return match_product(m, pattern, value);
   case PARE_PATTERN_SCALED: return match_scaled(m, pattern, value);
   }
   return false;
}

/* ---- whole patterns ---- */

static bool is_closed(pare_match *m, const pare_node *root)
{
   for (size_t i = 0; i < m->n_inside; i++) {
      const pare_value *value = m->inside[i]->output[0];
      if (m->inside[i] == root) continue;
      bool closed = !m->uses->is_output[value->index];
      for (size_t u = m->uses->first[value->index]; u < m->uses->first[value->index + 1]; u++)
         closed = closed && pare_match_has(m, m->uses->user[u]);
      if (!closed) {
         m->reached = 0;
         return lacks(m, "the result of %s, inside the pattern, is used elsewhere too", m->inside[i]->name);
      }
   }
   return true;
}

static bool match_root(pare_match *m, const pare_uses *uses, const pare_pattern *pattern, pare_node *root,
                       const pare_node *anchor)
{
   *m = (pare_match){ .uses = uses, .anchor = anchor, .root = root };
   if (!match_value(m, pattern, root->output[0]) || !is_closed(m, root)) return false;
   return !anchor || pare_match_has(m, anchor);
}

bool pare_match_at(pare_match *m, const pare_uses *uses, const pare_pattern *pattern, pare_node *root)
{
   return match_root(m, uses, pattern, root, NULL);
}

static bool is_listed(pare_node *const *list, size_t count, const pare_node *node)
{
   for (size_t i = 0; i < count; i++)
      if (list[i] == node) return true;
   return false;
}

static size_t list_users(const pare_uses *uses, const pare_value *value, pare_node **roots, size_t count)
{
   for (size_t u = uses->first[value->index]; u < uses->first[value->index + 1] && count < ROOTS; u++)
      if (!is_listed(roots, count, uses->user[u])) roots[count++] = uses->user[u];
   return count;
}

/* The anchor and its users' users, each once, nearest first. */
static size_t list_roots(const pare_uses *uses, pare_node *anchor, pare_node **roots)
{
   size_t count = 1, from = 0;
   roots[0] = anchor;
   for (int depth = 0; depth < USERS_DEEP; depth++) {
      for (size_t to = count; from < to; from++)
         for (size_t i = 0; i < roots[from]->n_outputs; i++)
            count = list_users(uses, roots[from]->output[i], roots, count);
   }
   return count;
}

bool pare_match_find(pare_match *m, const pare_uses *uses, const pare_pattern *const *patterns,
                     pare_node *anchor)
{
   pare_node *roots[ROOTS];
   pare_match best = { 0 }, failed = { 0 };
   size_t count = list_roots(uses, anchor, roots);
   for (size_t i = 0; i < count; i++) {
      for (size_t p = 0; patterns[p]; p++) {
         bool fits = match_root(m, uses, patterns[p], roots[i], anchor);
         m->pattern = p;
         if (fits && m->n_inside > best.n_inside) best = *m;
         if (!fits && m->why[0] && (!failed.why[0] || m->reached > failed.reached)) failed = *m;
      }
   }
   *m = best.n_inside ? best : failed;
   return best.n_inside > 0;
}

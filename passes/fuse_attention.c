/* fuse_attention: attention in place of the products, masks and moves of axes it is made of.
 *
 * Before:  softmax(scale q k^T, masked) v with heads as axes [batch, heads, tokens, elements] or [heads, tokens,
 *          elements]. Numbers may stand at q, at k, at their product, or be split over them. Masks are added (a causal
 *          constant, a causal choice of numbers, or any tensor) or chosen by `where` with a number of -1e4 or less.
 *          Causal masks are recognised in constants and in comparisons of the list of positions with itself. Heads
 *          are split and put together by any reshapes and transposes; keys are transposed in any way; heads of keys
 *          and values repeated by expand, or concat of one tensor, are read as groups of queries.
 * After:   one attention among rows (without a state) over the matrices [tokens, heads * elements] that the heads
 *          were split from; moves of axes remain where there is no such matrix. Masks that are not causal stay as an
 *          input. Views that something else uses too, and what masks were made of, are left to opt_dce.
 * Leaves:  what sees two masks that attention cannot say together, heads of different sizes, another axis.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order; rows for which everything is
 *          masked give zeros. */
#include <math.h>

#include "ops/mask_form.h"
#include "ops/ops.h"
#include "ops/view.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

#define MOST_SCALE 1e6 /* of attention's attribute */

enum { Q, K, V, SOFTMAX, MASK, MORE_MASK, KEEP_IF, DROP_IF, FILL, Q_SCALE, K_SCALE, SCALE };

#define SCORES P_SCALED(SCALE, P_OP(matmul, P_SCALED(Q_SCALE, P_ANY(Q)), P_SCALED(K_SCALE, P_ANY(K))))
#define CHOSEN                                                                                     \
   P_EITHER(P_OP(where, P_ANY(KEEP_IF), SCORES, P_SCALAR(FILL)),                                   \
            P_OP(where, P_ANY(DROP_IF), P_SCALAR(FILL), SCORES))
#define WEIGHTED(scores) P_OP(matmul, P_KEEP(SOFTMAX, P_OP(softmax, scores)), P_ANY(V))

static const pare_pattern *const patterns[] = {
   WEIGHTED(SCORES),
   WEIGHTED(P_OP(add, SCORES, P_ANY(MASK))),
   WEIGHTED(P_OP(add, P_OP(add, SCORES, P_ANY(MASK)), P_ANY(MORE_MASK))),
   WEIGHTED(CHOSEN),
   WEIGHTED(P_OP(add, CHOSEN, P_ANY(MASK))),
   NULL
};
static const pare_op anchors[] = { PARE_OP_softmax, PARE_OP_COUNT };

/* Where one operand comes from. */
typedef struct operand {
   pare_value *heads;   /* [B?, H, T, D]; keys [B?, H, D, T] */
   bool keys;
   pare_value *matrix;  /* [B?, T, n * D] that the heads are a view of, or NULL */
   int64_t n;           /* heads in the matrix, or of the value */
} operand;

/* Everything decided before the graph is touched. */
typedef struct scheme {
   pare_rewriter *r;
   int rank;                        /* of the heads: 3 or 4 */
   int64_t batch, heads, rows, keys, size;
   operand q, k, v;
   bool causal;
   pare_value *positions, *mask[2];
   int n_masks;
   bool negate;                     /* mask[0] is 1 where nothing is attended */
   pare_node *last;                 /* gives the result as a matrix, or NULL: as heads */
   pare_ints result;                /* of the reshape of the attention's result; count 0: none */
} scheme;

/* ---- operands ---- */

static int64_t dim_of(const pare_value *value, int from_last)
{
   return value->type.dim[value->type.rank - from_last];
}

static bool find_sizes(scheme *s)
{
   const pare_match *m = s->r->match;
   pare_value *q = m->value[Q], *k = m->value[K], *v = m->value[V];
   s->rank = q->type.rank;
   if (s->rank < 3 || k->type.rank != s->rank || v->type.rank != s->rank) return false;
   s->batch = s->rank == 4 ? q->type.dim[0] : 1;
   s->heads = dim_of(q, 3);
   s->rows = dim_of(q, 2);
   s->size = dim_of(q, 1);
   s->keys = dim_of(k, 1);
   const int64_t dim[] = { s->batch, s->heads, s->rows, s->keys };
   pare_type scores = pare_type_of(PARE_F32, s->rank, dim + (4 - s->rank));
   if (!pare_type_equal(&scores, &m->value[SOFTMAX]->type)) return false;
   if (s->rank == 4 && (k->type.dim[0] != s->batch || v->type.dim[0] != s->batch)) return false;
   return s->heads > 0 && s->size > 0 && dim_of(k, 3) > 0 && dim_of(v, 3) > 0 && s->batch > 0 &&
          dim_of(v, 1) == s->size;
}

/* Heads [n] of the source's columns, each perhaps repeated. */
static bool are_heads(const pare_view *view, int axis, int64_t n, int64_t size, int64_t total)
{
   const pare_view_axis *a = &view->axis[axis];
   int at = 0;
   if (n > 1) {
      const pare_view_piece *piece = &a->piece[at++];
      if (a->count < 1 || piece->axis != view->source->type.rank - 1 || piece->size != n || piece->step != size)
         return false;
   }
   if (n == total) return a->count == at;
   return a->count == at + 1 && a->piece[at].axis == PARE_VIEW_REPEAT && n * a->piece[at].size == total;
}

static bool are_rows(const scheme *s, const pare_view *view, int64_t rows, int axis)
{
   int rank = view->source->type.rank;
   int64_t batch = rank == 3 ? view->source->type.dim[0] : 1;
   if (batch != s->batch || (s->rank == 4 && !pare_view_is(view, 0, 0, batch, 1))) return false;
   return pare_view_is(view, axis, rank - 2, rows, 1);
}

static operand find_operand(const scheme *s, pare_value *value, bool keys)
{
   pare_view view;
   pare_view_of(&view, value);
   const pare_type *source = &view.source->type;
   int rows_axis = s->rank - (keys ? 1 : 2), size_axis = s->rank - (keys ? 2 : 1);
   operand found = { .heads = value, .keys = keys, .n = dim_of(value, 3) };
   bool is_matrix = source->rank == 2 || source->rank == 3;
   if (!is_matrix || dim_of(view.source, 1) < s->size || dim_of(view.source, 1) % s->size != 0) return found;
   int64_t n = dim_of(view.source, 1) / s->size;
   if (!are_rows(s, &view, value->type.dim[rows_axis], rows_axis)) return found;
   if (!pare_view_is(&view, size_axis, source->rank - 1, s->size, 1)) return found;
   if (!are_heads(&view, s->rank - 3, n, s->size, found.n)) return found;
   found.matrix = view.source;
   found.n = n;
   return found;
}

static void forget_matrix(operand *o)
{
   o->matrix = NULL;
   o->n = dim_of(o->heads, 3);
}

/* Attention wants all three of one rank, and keys and values of as many heads. */
static bool find_operands(scheme *s)
{
   operand *all[] = { &s->q, &s->k, &s->v };
   const pare_match *m = s->r->match;
   s->q = find_operand(s, m->value[Q], false);
   s->k = find_operand(s, m->value[K], true);
   s->v = find_operand(s, m->value[V], false);
   if (s->k.n != s->v.n) {
      forget_matrix(&s->k);
      forget_matrix(&s->v);
   }
   bool alike = true;
   for (int i = 0; i < 3; i++)
      alike = alike && all[i]->matrix && all[i]->matrix->type.rank == s->q.matrix->type.rank;
   for (int i = 0; i < 3 && !alike; i++)
      if (all[i]->matrix && all[i]->matrix->type.rank != s->rank - 1) forget_matrix(all[i]);
   return s->k.n == s->v.n && s->heads % s->k.n == 0 && s->q.n == s->heads;
}

/* ---- masks ---- */

/* Attention is causal by one order alone: a second mask that goes by another one stays a tensor. */
static void take_mask(scheme *s, pare_mask_form form, pare_value *mask)
{
   if (s->causal && form.positions != s->positions) form.kind = PARE_MASK_TENSOR;
   if (form.kind == PARE_MASK_TENSOR) s->mask[s->n_masks++] = mask;
   else s->causal = true;
   if (form.kind == PARE_MASK_POSITIONS) s->positions = form.positions;
}

static void find_masks(scheme *s)
{
   const pare_match *m = s->r->match;
   pare_value *keep = m->value[KEEP_IF], *drop = m->value[DROP_IF];
   if (keep) take_mask(s, pare_mask_of_condition(keep, s->rows, s->keys, true), keep);
   if (drop) take_mask(s, pare_mask_of_condition(drop, s->rows, s->keys, false), drop);
   s->negate = drop && s->n_masks == 1;
   for (int slot = MASK; slot <= MORE_MASK; slot++)
      if (m->value[slot]) take_mask(s, pare_mask_of_sum(m->value[slot], s->rows, s->keys), m->value[slot]);
}

/* Whether attention can say them together; else r->why. */
static bool masks_fit(scheme *s)
{
   const pare_match *m = s->r->match;
   bool chosen = m->value[KEEP_IF] || m->value[DROP_IF];
   if (chosen && !(m->number[FILL] <= PARE_MASKED_SCORE))
      pare_rewrite_refuse(s->r, "masked scores become %g, expected -1e4 or less", m->number[FILL]);
   else if (s->n_masks == 2 && s->mask[0]->type.dtype != s->mask[1]->type.dtype)
      pare_rewrite_refuse(s->r, "there is a condition and a sum, and neither is causal");
   else if (s->n_masks > 0 && s->positions)
      pare_rewrite_refuse(s->r, "there are positions and another mask");
   else if (s->negate && s->mask[0]->producer == NULL)
      pare_rewrite_refuse(s->r, "the condition is an input that is true where nothing is attended");
   else if (s->negate && s->mask[0]->producer->op != PARE_OP_compare)
      pare_rewrite_refuse(s->r, "the condition is true where nothing is attended, and no comparison");
   else return true;
   return false;
}

/* ---- the result ---- */

/* The heads of the product, put together again: [B?, T, H * D]. */
static bool is_matrix(const scheme *s, const pare_view *view)
{
   int rank = view->rank, h = s->rank - 3;
   if (rank != 2 && rank != 3) return false;
   if (!pare_view_is(view, rank - 2, h + 1, s->rows, 1)) return false;
   if (rank == 3 ? !pare_view_is(view, 0, 0, s->batch, 1) : s->batch != 1) return false;
   const pare_view_axis *a = &view->axis[rank - 1];
   const pare_view_piece *piece = a->piece;
   int at = 0;
   if (s->heads > 1 && !(a->count > at && piece[at].axis == h && piece[at++].size == s->heads)) return false;
   if (s->size > 1 && !(a->count > at && piece[at].axis == h + 2 && piece[at++].size == s->size)) return false;
   return a->count == at;
}

static void find_last(scheme *s)
{
   pare_view view;
   pare_node *chain[8], *node = s->r->root;
   pare_view_begin(&view, node->output[0]);
   for (size_t n = 0; n < 8; n++) {
      node = pare_uses_only(s->r->uses, node->output[0]);
      if (!node || (node->op != PARE_OP_reshape && node->op != PARE_OP_transpose)) return;
      if (!pare_view_apply(&view, node)) return;
      chain[n] = node;
      if (!is_matrix(s, &view)) continue;
      if (s->r->match->n_inside + n + 1 > PARE_MATCH_NODES) return;
      for (size_t i = 0; i <= n; i++) pare_match_enter(s->r->match, chain[i]);
      s->last = node;
      return;
   }
}

/* [B?, T, H, D], of as many axes as the heads have. */
static pare_type split_type(const scheme *s)
{
   const int64_t dim[] = { s->batch, s->rows, s->heads, s->size };
   return pare_type_of(PARE_F32, s->rank, dim + (4 - s->rank));
}

static bool find_result(scheme *s)
{
   int rank = s->q.matrix ? s->q.matrix->type.rank : s->rank - 1;
   const int64_t dim[] = { s->batch, s->rows, s->heads * s->size };
   pare_type given = pare_type_of(PARE_F32, rank, dim + (3 - rank));
   pare_type wanted = s->last ? s->last->output[0]->type : split_type(s);
   return pare_type_equal(&given, &wanted) || pare_view_reshape(&given, &wanted, &s->result);
}

/* ---- building ---- */

static pare_status add_reshape(pare_ctx *ctx, scheme *s, const char *suffix, pare_ints shape, pare_value *from,
                               pare_value **out)
{
   pare_reshape_attrs attrs = { .shape = shape };
   pare_node_spec spec = { .op = PARE_OP_reshape, .n_inputs = 1, .input = { from }, .attrs = &attrs };
   return pare_rewrite_add(ctx, s->r, suffix, &spec, out);
}

static pare_status add_transpose(pare_ctx *ctx, scheme *s, const char *suffix, const int64_t perm[4],
                                 pare_value *from, pare_value **out)
{
   pare_transpose_attrs attrs = { .perm.count = s->rank };
   for (int i = 0; i < s->rank; i++) attrs.perm.items[i] = s->rank == 4 ? perm[i] : perm[i + 1] - 1;
   pare_node_spec spec = { .op = PARE_OP_transpose, .n_inputs = 1, .input = { from }, .attrs = &attrs };
   return pare_rewrite_add(ctx, s->r, suffix, &spec, out);
}

/* The matrix of an operand: the one it is a view of, whose views go when nothing else uses them; or made. Queries
 * that are the keys use the same views. */
static pare_status make_matrix(pare_ctx *ctx, scheme *s, operand *o)
{
   static const int64_t of_heads[] = { 0, 2, 1, 3 }, of_keys[] = { 0, 3, 1, 2 };
   bool shared = s->q.heads == s->k.heads;
   for (pare_value *value = o->heads; o->matrix && !shared && value != o->matrix; value = value->producer->input[0])
      if (pare_uses_count(s->r->uses, value) != 1 || !pare_match_enter(s->r->match, value->producer)) return PARE_OK;
   if (o->matrix) return PARE_OK;
   pare_ints shape = { .count = s->rank - 1 };
   shape.items[s->rank - 2] = -1;
   PARE_TRY(add_transpose(ctx, s, "split", o->keys ? of_keys : of_heads, o->heads, &o->matrix));
   return add_reshape(ctx, s, "matrix", shape, o->matrix, &o->matrix);
}

/* lt and ge, le and gt, eq and ne. */
static const int opposites[] = { PARE_COMPARE_GE, PARE_COMPARE_GT, PARE_COMPARE_LE,
                                 PARE_COMPARE_LT, PARE_COMPARE_NE, PARE_COMPARE_EQ };

/* One tensor of rank 2 or more. */
static pare_status make_mask(pare_ctx *ctx, scheme *s, pare_value **out)
{
   *out = s->mask[0];
   if (s->negate) {
      const pare_node *node = s->mask[0]->producer;
      pare_compare_attrs attrs = { opposites[((const pare_compare_attrs *)node->attrs)->kind] };
      pare_node_spec spec = { .op = PARE_OP_compare, .n_inputs = 2, .input = { node->input[0], node->input[1] },
                              .attrs = &attrs };
      PARE_TRY(pare_rewrite_add(ctx, s->r, "mask", &spec, out));
   }
   if (s->n_masks == 2) {
      pare_node_spec spec = { .op = PARE_OP_add, .n_inputs = 2, .input = { s->mask[0], s->mask[1] } };
      PARE_TRY(pare_rewrite_add(ctx, s->r, "mask", &spec, out));
   }
   if ((*out)->type.rank > 1) return PARE_OK;
   return add_reshape(ctx, s, "mask", (pare_ints){ .count = 2, .items = { 1, -1 } }, *out, out);
}

static double scale_of(const pare_match *m)
{
   return m->number[SCALE] * m->number[Q_SCALE] * m->number[K_SCALE];
}

static pare_status add_attention(pare_ctx *ctx, scheme *s, pare_value **out)
{
   pare_attention_attrs attrs = { .heads = s->heads, .kv_heads = s->k.n, .head_dim = s->size, .causal = s->causal };
   attrs.scale = scale_of(s->r->match);
   pare_node_spec spec = { .op = PARE_OP_attention, .n_inputs = 3, .attrs = &attrs,
                           .input = { s->q.matrix, s->k.matrix, s->v.matrix } };
   if (s->positions) spec.input[spec.n_inputs++] = s->positions;
   if (s->n_masks > 0) PARE_TRY(make_mask(ctx, s, &spec.input[spec.n_inputs++]));
   return pare_rewrite_add(ctx, s->r, "attention", &spec, out);
}

static pare_status construct(pare_ctx *ctx, scheme *s, pare_value **out)
{
   static const int64_t to_heads[] = { 0, 2, 1, 3 };
   if (s->last) s->r->root = s->last;
   PARE_TRY(make_matrix(ctx, s, &s->q));
   PARE_TRY(make_matrix(ctx, s, &s->k));
   PARE_TRY(make_matrix(ctx, s, &s->v));
   PARE_TRY(add_attention(ctx, s, out));
   if (s->result.count) PARE_TRY(add_reshape(ctx, s, "shape", s->result, *out, out));
   return s->last ? PARE_OK : add_transpose(ctx, s, "heads", to_heads, *out, out);
}

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   scheme s = { .r = r };
   const pare_value *weights = r->match->value[SOFTMAX];
   const pare_axis_attrs *axis = weights->producer->attrs;
   if (axis->axis != -1 && axis->axis != weights->type.rank - 1)
      return pare_rewrite_refuse(r, "%s does not go over the keys", weights->producer->name);
   if (!(fabs(scale_of(r->match)) <= MOST_SCALE))
      return pare_rewrite_refuse(r, "the scale is %g, expected at most %g", scale_of(r->match), MOST_SCALE);
   if (!find_sizes(&s))
      return pare_rewrite_refuse(r, "queries, keys and values are not [batch, heads, tokens, elements] of known and "
                                    "equal sizes");
   if (!find_operands(&s)) return pare_rewrite_refuse(r, "the heads of queries, keys and values do not fit");
   find_masks(&s);
   if (!masks_fit(&s)) return PARE_OK;
   find_last(&s);
   if (!find_result(&s)) return pare_rewrite_refuse(r, "the shape of the result cannot be said by a reshape");
   return construct(ctx, &s, out);
}

static const pare_rewrite rewrite = { .result = "attention", .anchors = anchors, .patterns = patterns,
                                      .build = build };

const pare_pass pare_pass_fuse_attention = {
   .name = "fuse_attention", .help = "recognise attention in the products and masks it is made of",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};

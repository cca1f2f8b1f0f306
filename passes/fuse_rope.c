/* fuse_rope: rotary position embedding in place of the slices, signs, products and sums it is made of.
 *
 * Before:  x cos + rotated(x) sin, where rotated swaps the halves of a head (concat of slices) or its neighbours
 *          (slices of every second, stacked) and negates one of them; or the two rotated parts computed one by one and
 *          put together by halves or stacked. Of whole heads, or of their first elements, the rest put behind. Heads
 *          lie before or after the tokens. Cosines and sines may be made in any way: they are recognised by computing
 *          them for trial positions (ops/angles.h).
 * After:   one rope over the matrix [tokens, heads * elements] that the heads were split from, and the split after it;
 *          where there is no such matrix, it is made by moves of axes.
 * Leaves:  angles that are not position times theta^(-2i / n), such as scaled ones; angles without a list of positions.
 * Bound:   outputs differ by at most 5e-4 of the largest, from rounding in another order. */
#include "ops/angles.h"
#include "ops/ops.h"
#include "ops/view.h"
#include "passes/passes.h"
#include "pipeline/rewrite.h"

enum { X, COS, SIN, LOW, HIGH, JOINED };

#define FIRST P_KEEP(LOW, P_OP(slice, P_ANY(X)))
#define SECOND P_KEEP(HIGH, P_OP(slice, P_ANY(X)))
#define JOIN(a, b) P_KEEP(JOINED, P_OP(concat, a, b))
#define STACK(a, b) P_OP(reshape, JOIN(P_OP(reshape, a), P_OP(reshape, b)))
/* What is known of x comes before x alone, so that it is not taken for the cosines. */
#define TURNED(rotated) P_OP(add, P_OP(mul, rotated, P_ANY(SIN)), P_OP(mul, P_ANY(X), P_ANY(COS)))
#define NEW_FIRST P_OP(sub, P_OP(mul, FIRST, P_ANY(COS)), P_OP(mul, SECOND, P_ANY(SIN)))
#define NEW_SECOND P_OP(add, P_OP(mul, SECOND, P_ANY(COS)), P_OP(mul, FIRST, P_ANY(SIN)))

static const pare_pattern *const patterns[] = {
   TURNED(JOIN(P_OP(neg, SECOND), FIRST)),
   TURNED(STACK(P_OP(neg, SECOND), FIRST)),
   JOIN(NEW_FIRST, NEW_SECOND),
   STACK(NEW_FIRST, NEW_SECOND),
   NULL
};
static const bool interleaved[] = { false, true, false, true };
static const pare_angle_order orders[] = { PARE_ANGLES_HALVES, PARE_ANGLES_PAIRS, PARE_ANGLES_ONCE,
                                           PARE_ANGLES_ONCE };
static const pare_op anchors[] = { PARE_OP_concat, PARE_OP_COUNT };

/* Concats of two that hold a negated or computed half: others are not worth a line in the report. */
static bool tells(const pare_node *node)
{
   static const pare_op halves[] = { PARE_OP_neg, PARE_OP_sub };
   if (node->n_inputs != 2) return false;
   const pare_node *first = node->input[0]->producer;
   if (first && first->op == PARE_OP_reshape) first = first->input[0]->producer;
   return first && (first->op == halves[0] || first->op == halves[1]);
}

/* Everything decided before the graph is touched. */
typedef struct scheme {
   pare_rewriter *r;
   pare_angles angles;
   pare_value *heads;      /* [..., T, H, D] or [..., H, T, D]: x, or what x is the first columns of */
   int64_t size, turning;  /* elements of a head, and of those that turn */
   int64_t n;              /* heads */
   bool heads_first;       /* H before T */
   pare_value *matrix;     /* [..., T, H * D], or NULL */
   pare_node *last;
   pare_ints split;        /* of the matrix again */
} scheme;

static bool is_slice(const pare_node *node, int64_t from, int64_t to, int64_t step)
{
   const pare_slice_attrs *attrs = node->attrs;
   int rank = node->input[0]->type.rank;
   bool columns = attrs->axis == -1 || attrs->axis == rank - 1;
   /* places from .. to - 1 by step, however the end is written: as many */
   int64_t count = node->output[0]->type.dim[rank - 1];
   return columns && attrs->from == from && attrs->step == step && count == (to - from + step - 1) / step;
}

static bool joins_last(const pare_node *node)
{
   const pare_axis_attrs *attrs = node->attrs;
   return attrs->axis == -1 || attrs->axis == node->output[0]->type.rank - 1;
}

static bool are_halves(const scheme *s)
{
   const pare_match *m = s->r->match;
   const pare_node *low = m->value[LOW]->producer, *high = m->value[HIGH]->producer;
   int64_t n = s->turning;
   if (n < 2 || n % 2 != 0 || !joins_last(m->value[JOINED]->producer)) return false;
   if (!interleaved[m->pattern]) return is_slice(low, 0, n / 2, 1) && is_slice(high, n / 2, n, 1);
   const pare_type *stacked = &m->value[JOINED]->type;
   bool pairs = stacked->dim[stacked->rank - 1] == 2 && stacked->dim[stacked->rank - 2] == n / 2;
   return pairs && is_slice(low, 0, n, 2) && is_slice(high, 1, n, 2);
}

/* x is the first columns of something whose other columns are put behind the result: those heads turn in part. */
static void find_rest(scheme *s)
{
   const pare_match *m = s->r->match;
   pare_node *first = m->value[X]->producer, *join = pare_uses_only(s->r->uses, s->r->root->output[0]);
   if (!first || first->op != PARE_OP_slice || !is_slice(first, 0, s->turning, 1)) return;
   if (!join || join->op != PARE_OP_concat || join->n_inputs != 2 || !joins_last(join)) return;
   pare_node *rest = join->input[1]->producer;
   if (join->input[0] != s->r->root->output[0] || !rest || rest->op != PARE_OP_slice) return;
   pare_value *whole = first->input[0];
   int64_t size = whole->type.dim[whole->type.rank - 1];
   if (rest->input[0] != whole || !is_slice(rest, s->turning, size, 1)) return;
   s->heads = whole;
   s->size = size;
   s->last = join;
   pare_match_enter(s->r->match, join);
   if (pare_uses_count(s->r->uses, rest->output[0]) == 1) pare_match_enter(s->r->match, rest);
   bool inside = true;
   for (size_t u = s->r->uses->first[m->value[X]->index]; u < s->r->uses->first[m->value[X]->index + 1]; u++)
      inside = inside && pare_match_has(m, s->r->uses->user[u]);
   if (inside && !s->r->uses->is_output[m->value[X]->index]) pare_match_enter(s->r->match, first);
}

/* Where heads and tokens lie, from where the angles do; a matrix of one head has no axis for heads. */
static bool find_layout(scheme *s)
{
   const pare_type *type = &s->heads->type;
   int axis = s->angles.rows_axis;
   int64_t rows = s->angles.positions->type.dim[0];
   if (axis > 3 || type->rank < axis || type->rank > 4 || type->dim[type->rank - axis] != rows) return false;
   s->heads_first = axis == 2 && type->rank > 2;
   s->n = type->rank == 2 ? 1 : type->dim[type->rank - (axis == 2 ? 3 : 2)];
   return s->n > 0;
}

/* The matrix that the heads are a view of. */
static void find_matrix(scheme *s)
{
   pare_view view;
   pare_view_of(&view, s->heads);
   int rank = view.source->type.rank, columns = rank - 1;
   int rows_axis = view.rank - s->angles.rows_axis, heads_axis = view.rank - (s->heads_first ? 3 : 2);
   const pare_type *type = &view.source->type;
   if ((rank != 2 && rank != 3) || type->dim[columns] != s->n * s->size) return;
   if (view.rank == 4 && !pare_view_is(&view, 0, 0, rank == 3 ? type->dim[0] : 1, 1)) return;
   if (view.rank < 4 && rank == 3 && type->dim[0] != 1) return;
   if (!pare_view_is(&view, view.rank - 1, columns, s->size, 1)) return;
   if (!pare_view_is(&view, rows_axis, rank - 2, s->angles.positions->type.dim[0], 1)) return;
   if (view.rank > 2 && !pare_view_is(&view, heads_axis, columns, s->n, s->size)) return;
   s->matrix = view.source;
}

/* [..., T, H, D] of as many axes as the heads have. */
static pare_type split_type(const scheme *s)
{
   pare_type type = s->heads->type;
   if (!s->heads_first) return type;
   type.dim[type.rank - 3] = s->heads->type.dim[type.rank - 2];
   type.dim[type.rank - 2] = s->heads->type.dim[type.rank - 3];
   return type;
}

/* The type of the matrix, found or to be made: a made one has one axis less than the heads. */
static pare_type matrix_type(const scheme *s)
{
   if (s->matrix) return s->matrix->type;
   pare_type type = split_type(s);
   if (type.rank == 2) return type;
   type.rank--;
   type.dim[type.rank - 1] = s->n * s->size;
   return type;
}

static pare_status add_reshape(pare_ctx *ctx, scheme *s, const char *suffix, pare_ints shape, pare_value **value)
{
   pare_reshape_attrs attrs = { .shape = shape };
   pare_node_spec spec = { .op = PARE_OP_reshape, .n_inputs = 1, .input = { *value }, .attrs = &attrs };
   return pare_rewrite_add(ctx, s->r, suffix, &spec, value);
}

static pare_status swap_heads(pare_ctx *ctx, scheme *s, const char *suffix, pare_value **value)
{
   int rank = s->heads->type.rank;
   pare_transpose_attrs attrs = { .perm.count = rank };
   for (int i = 0; i < rank; i++) attrs.perm.items[i] = i == rank - 3 ? i + 1 : i == rank - 2 ? i - 1 : i;
   pare_node_spec spec = { .op = PARE_OP_transpose, .n_inputs = 1, .input = { *value }, .attrs = &attrs };
   return s->heads_first ? pare_rewrite_add(ctx, s->r, suffix, &spec, value) : PARE_OK;
}

static pare_status construct(pare_ctx *ctx, scheme *s, pare_value **out)
{
   pare_ints flat = { 0 };
   pare_type split = split_type(s), matrix = matrix_type(s);
   bool moved = !pare_type_equal(&split, &matrix);
   pare_value *value = s->matrix ? s->matrix : s->heads;
   pare_rope_attrs attrs;
   PARE_TRY(pare_fields_init(ctx, pare_op_rope.fields, s->r->graph->arena, &attrs));
   attrs.head_dim = s->size;
   attrs.rot_dim = s->turning;
   attrs.theta = s->angles.theta;
   attrs.interleaved = interleaved[s->r->match->pattern];
   pare_view_reshape(&split, &matrix, &flat);
   if (!s->matrix) PARE_TRY(swap_heads(ctx, s, "split", &value));
   if (!s->matrix && moved) PARE_TRY(add_reshape(ctx, s, "matrix", flat, &value));
   pare_node_spec spec = { .op = PARE_OP_rope, .n_inputs = 2, .input = { value, s->angles.positions },
                           .attrs = &attrs };
   PARE_TRY(pare_rewrite_add(ctx, s->r, "rope", &spec, &value));
   if (moved) PARE_TRY(add_reshape(ctx, s, "shape", s->split, &value));
   PARE_TRY(swap_heads(ctx, s, "heads", &value));
   *out = value;
   return PARE_OK;
}

static pare_status build(pare_ctx *ctx, pare_rewriter *r, pare_value **out)
{
   const pare_match *m = r->match;
   scheme s = { .r = r, .heads = m->value[X], .last = r->root };
   s.turning = s.size = s.heads->type.dim[s.heads->type.rank - 1];
   if (s.heads->type.rank < 2 || !are_halves(&s))
      return pare_rewrite_refuse(r, "the slices of %s are not its halves or its even and odd columns",
                                 m->value[LOW]->producer->name);
   PARE_TRY(pare_angles_find(ctx, r->graph, m->value[COS], m->value[SIN], s.turning / 2, orders[m->pattern],
                             &s.angles));
   if (!s.angles.positions) return pare_rewrite_refuse(r, "%s", s.angles.why);
   find_rest(&s);
   if (!find_layout(&s)) return pare_rewrite_refuse(r, "heads are not [..., heads, tokens, elements] of known sizes");
   find_matrix(&s);
   pare_type split = split_type(&s), matrix = matrix_type(&s), given = s.last->output[0]->type;
   if (!pare_type_equal(&given, &s.heads->type) || !pare_view_reshape(&matrix, &split, &s.split))
      return pare_rewrite_refuse(r, "the shape of the result cannot be said by a reshape");
   r->root = s.last;
   return construct(ctx, &s, out);
}

static const pare_rewrite rewrite = { .result = "rope", .anchors = anchors, .tells = tells, .patterns = patterns,
                                      .build = build };

const pare_pass pare_pass_fuse_rope = {
   .name = "fuse_rope", .help = "recognise rotary position embedding in the arithmetic it is made of",
   .fields = pare_no_fields, .tolerance = PARE_FUSE_TOLERANCE, .rewrite = &rewrite
};

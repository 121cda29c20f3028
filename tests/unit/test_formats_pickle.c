/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pickle walker and machine on bytes written by hand: trees of values
 * as Python would build them, names found however they are spelt, nothing
 * believed: each malformed opcode has its message and offset, no prefix of a
 * pickle passes, and a pickle's memo and stack have their caps.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "formats/pickle_machine.h"
#include "formats/pickle_trust.h"

/* A literal without its final NUL. */
#define P(text) text, sizeof(text) - 1

typedef const struct assay__pickle_value *tree;

struct seen {
    char globals[256]; /* "os.system ..." */
    char calls[256];   /* opcodes that called */
    int n_computed;
};

static int on_global(void *user, const struct assay__pickle_op *op,
                     const char *module, const char *name,
                     struct assay_error *err)
{
    struct seen *seen = user;
    size_t n = strlen(seen->globals);

    (void)op;
    (void)err;
    if (!module)
        seen->n_computed++;
    else
        snprintf(seen->globals + n, sizeof(seen->globals) - n, "%s.%s ", module,
                 name);
    return ASSAY_OK;
}

static int on_call(void *user, const struct assay__pickle_op *op,
                   const struct assay__pickle_value *callee,
                   struct assay_error *err)
{
    struct seen *seen = user;
    size_t n = strlen(seen->calls);

    (void)callee;
    (void)err;
    snprintf(seen->calls + n, sizeof(seen->calls) - n, "%s@%zu ", op->name,
             op->at);
    return ASSAY_OK;
}

/* Run a copy that ends where its block ends, so that tools see overruns. */
static int run(const void *data, size_t size, bool keep, struct seen *seen,
               struct assay__pickle_machine *m, unsigned char **copy,
               tree *root, struct assay_error *err)
{
    struct assay__pickle_hooks hooks = {
        .user = seen, .global = on_global, .call = on_call};

    memset(seen, 0, sizeof(*seen));
    *copy = malloc(size ? size : 1);
    CHECK(*copy != NULL);
    memcpy(*copy, data, size);
    assay__pickle_machine_init(m, &hooks, keep);
    return assay__pickle_run(m, *copy, size, 0, root, err);
}

static void end(struct assay__pickle_machine *m, unsigned char *copy)
{
    assay__pickle_machine_release(m);
    free(copy);
}

static const char state[] = "\x80\x04}(\x8c\x01"
                            "a\x94K\x07\x8c\x01"
                            "bG\x3f\xf8\0\0\0\0\0\0\x8c\x01"
                            "c(M\x01\x02\x89NJ\xff\xff\xff\xfft\x8c\x01"
                            "d](h\0\x8a\x01\xfe\x8a\x09\0\0\0\0\0\0\0\0\x01"
                            "C\x02xyeu.";

static void test_tree_is_what_python_would_build(void)
{
    struct assay__pickle_machine m;
    struct assay_error err = {0};
    struct seen seen;
    unsigned char *copy;
    tree t = NULL;
    tree v;

    CHECK_OK(run(P(state), true, &seen, &m, &copy, &t, &err), err);
    CHECK_INT_EQ(t->kind, ASSAY__PV_DICT);
    CHECK_UINT_EQ(t->n_items, 8);
    CHECK_INT_EQ(t->item[1]->number, 7);
    CHECK_NEAR(t->item[3]->real, 1.5, 0);
    v = t->item[5];
    CHECK_INT_EQ(v->kind, ASSAY__PV_TUPLE);
    CHECK_INT_EQ(v->item[0]->number, 513);
    CHECK_INT_EQ(v->item[1]->kind, ASSAY__PV_BOOL);
    CHECK_INT_EQ(v->item[2]->kind, ASSAY__PV_NONE);
    CHECK_INT_EQ(v->item[3]->number, -1);
    v = t->item[7];
    CHECK_UINT_EQ(v->n_items, 4);
    CHECK(v->item[0] == t->item[0]);
    CHECK_INT_EQ(v->item[1]->number, -2);
    CHECK_INT_EQ(v->item[2]->kind, ASSAY__PV_BIG);
    CHECK_INT_EQ(v->item[3]->kind, ASSAY__PV_BYTES);
    CHECK_UINT_EQ(m.in.at, sizeof(state) - 1);
    end(&m, copy);
}

static void test_calls_keep_callee_arguments_state_and_items(void)
{
    struct assay__pickle_machine m;
    struct assay_error err = {0};
    struct seen seen;
    unsigned char *copy;
    tree t = NULL;

    CHECK_OK(run(P("ccollections\nOrderedDict\n)RX\x01\0\0\0kK\x03s}b."), true,
                 &seen, &m, &copy, &t, &err),
             err);
    CHECK_INT_EQ(t->kind, ASSAY__PV_CALL);
    CHECK_STR_EQ(assay__pickle_module(t->item[0]), "collections");
    CHECK_STR_EQ(assay__pickle_name(t->item[0]), "OrderedDict");
    CHECK_INT_EQ(t->item[1]->kind, ASSAY__PV_TUPLE);
    CHECK_INT_EQ(t->item[2]->kind, ASSAY__PV_DICT);
    CHECK_UINT_EQ(t->n_items, 5);
    CHECK(t->pairs);
    CHECK_INT_EQ(t->item[4]->number, 3);
    end(&m, copy);
}

/* Each names os.system once, and calls it where `calls` says. */
static const struct {
    const char *text;
    size_t size;
    const char *globals;
    const char *calls;
    int n_computed;
} spellings[] = {
    {P("cos\nsystem\n(Vls\ntR."), "os.system ", "REDUCE@17 ", 0},
    {P("(Vls\nios\nsystem\n."), "os.system ", "INST@5 ", 0},
    {P("(cos\nsystem\nVls\no."), "os.system ", "OBJ@16 ", 0},
    {P("cos\nsystem\n)\x81."), "os.system ", "NEWOBJ@12 ", 0},
    {P("cos\nsystem\n)}\x92."), "os.system ", "NEWOBJ_EX@13 ", 0},
    {P("Vos\nVsystem\n\x93."), "os.system ", "", 0},
    {P("V\\u006fs\nVs\\U00000079stem\n\x93."), "os.system ", "", 0},
    {P("S'o\\x73'\nS\"\\163ystem\"\n\x93."), "os.system ", "", 0},
    {P("Vos\np0\n0Vsystem\np1\n0g0\ng1\n\x93."), "os.system ", "", 0},
    {P("\x8c\x02os\x94\x8c\x06system\x94"
       "00h\0h\1\x93."),
     "os.system ", "", 0},
    {P("Vsystem\nq\5"
       "0Vos\nh\5\x93."),
     "os.system ", "", 0},
    {P("Vx\nVos\n2"
       "00Vos\nVsystem\n\x93."),
     "os.system ", "", 0},
    {P("cos\nsystem\n}b."), "os.system ", "BUILD@12 ", 0},
    {P("cos\nsystem\nK\1K\2s."), "os.system ", "SETITEM@15 ", 0},
    {P("cos\nsystem\nK\1a."), "os.system ", "APPEND@13 ", 0},
    {P("ca\nb\n)RVc\n\x93."), "a.b ", "REDUCE@6 ", 1},
    {P("\x82\1."), "", "", 1},
    {P("\x83\1\0."), "", "", 1},
    {P("\x84\1\0\0\0."), "", "", 1},
    {P("Pos\n."), "", "", 0},
    {P("(t."), "", "", 0},
};

static void test_names_are_found_however_they_are_spelt(void)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        for (int keep = 0; keep < 2; keep++) {
            struct assay__pickle_machine m;
            struct assay_error err = {0};
            struct seen seen;
            unsigned char *copy;
            int rc = run(spellings[i].text, spellings[i].size, keep, &seen, &m,
                         &copy, NULL, &err);

            end(&m, copy);
            if (rc)
                printf("# spelling %zu\n", i);
            CHECK_OK(rc, err);
            CHECK_STR_EQ(seen.globals, spellings[i].globals);
            CHECK_STR_EQ(seen.calls, spellings[i].calls);
            CHECK_INT_EQ(seen.n_computed, spellings[i].n_computed);
        }
    }
}

static const struct {
    const char *text;
    size_t size;
    int code;
    const char *message;
} lies[] = {
    {P(""), ASSAY_FORMAT, "byte 0: the pickle ends without STOP"},
    {P("N"), ASSAY_FORMAT, "byte 1: the pickle ends without STOP"},
    {P("N\xff."), ASSAY_FORMAT, "byte 1: 0xff is no opcode"},
    {P("\x80\x06N."), ASSAY_FORMAT, "byte 0: protocol 6, known are 0 to 5"},
    {P("."), ASSAY_FORMAT, "byte 0: STOP finds nothing"},
    {P("R."), ASSAY_FORMAT, "byte 0: REDUCE finds nothing"},
    {P("(t"), ASSAY_FORMAT, "byte 2: the pickle ends without STOP"},
    {P("t."), ASSAY_FORMAT, "byte 0: TUPLE finds no mark"},
    {P("N(R."), ASSAY_FORMAT, "byte 2: REDUCE finds nothing"},
    {P("N(0"
       "0"
       "0."),
     ASSAY_FORMAT, "byte 4: POP finds nothing"},
    {P("N\x86."), ASSAY_FORMAT, "byte 1: TUPLE2 finds too few"},
    {P("N(\x85."), ASSAY_FORMAT, "byte 2: TUPLE1 finds too few"},
    {P("Na."), ASSAY_FORMAT, "byte 1: APPEND finds no container"},
    {P("](Nu."), ASSAY_FORMAT, "byte 3: SETITEMS finds an odd number"},
    {P("(Nd."), ASSAY_FORMAT, "byte 2: DICT finds an odd number"},
    {P("(o."), ASSAY_FORMAT, "byte 1: OBJ finds no class"},
    {P("h\0."), ASSAY_FORMAT, "byte 0: BINGET: the memo has no entry 0"},
    {P("gx\n."), ASSAY_FORMAT, "byte 0: GET has no number"},
    {P("Np-1\n."), ASSAY_FORMAT, "byte 1: PUT has no number"},
    {P("Nr\xff\xff\xff\xff."), ASSAY_LIMIT,
     "byte 1: LONG_BINPUT: the pickle's"},
    {P("X\xff\xff\xff\x7f."), ASSAY_FORMAT,
     "byte 0: BINUNICODE of 2147483647 bytes, but only 1 bytes follow"},
    {P("X\xff\xff\xff\xff."), ASSAY_FORMAT, "BINUNICODE of 4294967295 bytes"},
    {P("\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), ASSAY_FORMAT,
     "BINBYTES8 of 18446744073709551615 bytes"},
    {P("M\1"), ASSAY_FORMAT,
     "byte 0: the pickle ends at byte 2 within BININT2"},
    {P("cos\n"), ASSAY_FORMAT, "within GLOBAL"},
    {P("cos\n\xff\n."), ASSAY_FORMAT, "GLOBAL has a name that is no text"},
    {P("c\xc0\xaf\nx\n."), ASSAY_FORMAT, "GLOBAL has a name that is no text"},
    {P("S'a\n."), ASSAY_FORMAT, "byte 0: STRING has a malformed text"},
    {P("S'\\xg0'\n."), ASSAY_FORMAT, "STRING has a malformed text"},
    {P("V\\u12\n."), ASSAY_FORMAT, "UNICODE has a malformed text"},
};

static void test_each_malformed_opcode_is_refused_with_its_place(void)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay__pickle_machine m;
        struct assay_error err = {0};
        struct seen seen;
        unsigned char *copy;
        int rc =
            run(lies[i].text, lies[i].size, true, &seen, &m, &copy, NULL, &err);

        end(&m, copy);
        if (rc != lies[i].code)
            printf("# lie %zu: %s\n", i, err.msg);
        CHECK_INT_EQ(rc, lies[i].code);
        CHECK_STR_HAS(err.msg, lies[i].message);
    }
}

static void test_no_prefix_of_a_pickle_passes(void)
{
    for (size_t n = 0; n + 1 < sizeof(state); n++) {
        struct assay__pickle_machine m;
        struct assay_error err = {0};
        struct seen seen;
        unsigned char *copy;
        int rc = run(state, n, true, &seen, &m, &copy, NULL, &err);

        end(&m, copy);
        if (n + 1 < sizeof(state) - 1 || rc)
            CHECK(rc != 0);
    }
}

static void test_values_and_stack_have_their_caps(void)
{
    size_t size = ((size_t)1 << 21) + 8;
    char *text = malloc(size);
    struct assay__pickle_machine m;
    struct assay_error err = {0};
    struct seen seen;
    unsigned char *copy;

    CHECK(text != NULL);
    memset(text, ']', size);
    CHECK_FAILS(run(text, size, true, &seen, &m, &copy, NULL, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "the pickle's tree has more than");
    end(&m, copy);
    CHECK_FAILS(run(text, size, false, &seen, &m, &copy, NULL, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "the pickle's stack has more than");
    end(&m, copy);
    memset(text, '(', size);
    CHECK_FAILS(run(text, size, false, &seen, &m, &copy, NULL, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "the pickle's marks has more than");
    end(&m, copy);
    free(text);
}

static const struct {
    const char *module;
    const char *name;
    enum assay__pickle_trust trust;
} names[] = {
    {"collections", "OrderedDict", ASSAY__TRUST_ALLOWED},
    {"torch._utils", "_rebuild_tensor_v2", ASSAY__TRUST_ALLOWED},
    {"torch", "FloatStorage", ASSAY__TRUST_ALLOWED},
    {"torch", "float32", ASSAY__TRUST_ALLOWED},
    {"torch", "Storage", ASSAY__TRUST_UNKNOWN},
    {"torch", "Float", ASSAY__TRUST_UNKNOWN},
    {"torch", "", ASSAY__TRUST_UNKNOWN},
    {"torch", " ", ASSAY__TRUST_UNKNOWN},
    {"torch", "load", ASSAY__TRUST_DANGEROUS},
    {"torch.storage", "_load_from_bytes", ASSAY__TRUST_DANGEROUS},
    {"torch.hub", "load", ASSAY__TRUST_DANGEROUS},
    {"torch.nn.modules.linear", "Linear", ASSAY__TRUST_UNKNOWN},
    {"collections", "OrderedDict.fromkeys", ASSAY__TRUST_DANGEROUS},
    {"collections", "namedtuple", ASSAY__TRUST_DANGEROUS},
    {"builtins", "set", ASSAY__TRUST_ALLOWED},
    {"builtins", "getattr", ASSAY__TRUST_DANGEROUS},
    {"builtins", "eval", ASSAY__TRUST_DANGEROUS},
    {"__builtin__", "exec", ASSAY__TRUST_DANGEROUS},
    {"posix", "system", ASSAY__TRUST_DANGEROUS},
    {"os.path", "join", ASSAY__TRUST_DANGEROUS},
    {"osprey", "x", ASSAY__TRUST_UNKNOWN},
    {"shutil", "os.system", ASSAY__TRUST_DANGEROUS},
    {"asyncio.unix_events", "_UnixSubprocessTransport._start",
     ASSAY__TRUST_DANGEROUS},
    {"httplib", "HTTPSConnection", ASSAY__TRUST_DANGEROUS},
    {"pip", "main", ASSAY__TRUST_DANGEROUS},
    {"pip._internal", "main", ASSAY__TRUST_DANGEROUS},
    {"mylib", "Model", ASSAY__TRUST_UNKNOWN},
    {"mylib", "Model.f", ASSAY__TRUST_DANGEROUS},
    {"", "", ASSAY__TRUST_UNKNOWN},
};

static void test_names_are_trusted_only_when_listed(void)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *why = NULL;
        int trust = assay__pickle_judge(names[i].module, names[i].name, &why);

        if (trust != (int)names[i].trust)
            printf("# %s.%s\n", names[i].module, names[i].name);
        CHECK_INT_EQ(trust, names[i].trust);
        CHECK(why != NULL);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_tree_is_what_python_would_build),
    CHECK_TEST(test_calls_keep_callee_arguments_state_and_items),
    CHECK_TEST(test_names_are_found_however_they_are_spelt),
    CHECK_TEST(test_each_malformed_opcode_is_refused_with_its_place),
    CHECK_TEST(test_no_prefix_of_a_pickle_passes),
    CHECK_TEST(test_values_and_stack_have_their_caps),
    CHECK_TEST(test_names_are_trusted_only_when_listed),
};

CHECK_MAIN(tests)

/* The E-model: values that ITU-T has published, and what must follow from
 * loss, delay and codec. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/mg/mg.h"

#define SECOND 1000000u

static struct mg_hearing
hearing(enum mg_codec codec, double loss)
{
	return (struct mg_hearing){.codec = codec, .loss = loss};
}

static double
rating(enum mg_codec codec, double loss, uint32_t network_us)
{
	struct mg_hearing h = hearing(codec, loss);

	h.network_us = network_us;
	return mg_mos_rating(&h);
}

static void
near(double got, double want, double by)
{
	if (fabs(got - want) > by)
		fail_msg("%f is not %f", got, want);
}

/* G.107 Annex B, Table B.1; 93.2 is R of all defaults (7.7). */
static void
ratings_mean_what_the_table_says(void **state)
{
	static const struct {
		double r;
		unsigned mos;
	} rows[] = {
	    {93.2, 441}, {90, 434}, {80, 402}, {70, 360}, {60, 310}, {50, 258}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_in_range(mg_mos_of_rating(rows[i].r), rows[i].mos - 1,
		    rows[i].mos + 1);
	assert_int_equal(mg_mos_of_rating(93.2), 441);
	assert_int_equal(mg_mos_of_rating(0), 100);
	assert_int_equal(mg_mos_of_rating(-20), 100);
	assert_int_equal(mg_mos_of_rating(3), 100);
	assert_int_equal(mg_mos_of_rating(100), 450);
	assert_int_equal(mg_mos_of_rating(130), 450);
}

/* Without loss the codec's own Ie is all that is taken (G.113 Appendix I). */
static void
codecs_cost_what_they_cost(void **state)
{
	(void)state;
	near(rating(MG_CODEC_PCMU, 0, 0), 93.2, 1e-9);
	near(rating(MG_CODEC_PCMA, 0, 0), 93.2, 1e-9);
	near(rating(MG_CODEC_G729, 0, 0), 82.2, 1e-9);
	near(rating(MG_CODEC_G723, 0, 0), 78.2, 1e-9);
	near(rating(MG_CODEC_G722, 0, 0), 93.2, 1e-9);
	near(rating(MG_CODEC_OPUS, 0, 0), 93.2, 1e-9);
}

/* Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl): a loss as great as Bpl takes half
 * of what is left. */
static void
loss_costs_by_robustness(void **state)
{
	(void)state;
	near(rating(MG_CODEC_PCMA, 0.251, 0), 93.2 - 47.5, 1e-9);
	near(rating(MG_CODEC_G729, 0.19, 0), 93.2 - 11 - 42, 1e-9);
	near(rating(MG_CODEC_PCMA, 0.05, 0), 93.2 - 95 * 5 / 30.1, 1e-9);
	/* G.711 with concealment loses about 4 of R by the first per cent */
	near(rating(MG_CODEC_PCMA, 0.01, 0), 93.2 - 3.64, 0.01);
}

/* G.107 7.4 (and G.114, figure 1): nothing up to 100 ms, 3 at 200 ms, some 24
 * at 400 ms. Of G.711 60 ms are its own. */
static void
delay_costs_late_and_much(void **state)
{
	(void)state;
	near(rating(MG_CODEC_PCMA, 0, 40000), 93.2, 1e-9);
	near(rating(MG_CODEC_PCMA, 0, 140000), 93.2 - 3.04, 0.01);
	near(rating(MG_CODEC_PCMA, 0, 340000), 93.2 - 24.07, 0.05);
	assert_true(rating(MG_CODEC_PCMA, 0, SECOND) <
	    rating(MG_CODEC_PCMA, 0, SECOND / 2));
}

/* Jitter costs by the buffer that it asks for: 40 ms are there anyway. */
static void
jitter_is_delay(void **state)
{
	struct mg_hearing h = hearing(MG_CODEC_PCMA, 0);

	(void)state;
	h.jitter_us = 20000;
	near(mg_mos_rating(&h), 93.2, 1e-9);
	h.jitter_us = 90000; /* 180 ms and the packet's 20 */
	near(mg_mos_rating(&h), 93.2 - 3.04, 0.01);
}

static void
what_has_no_rule_has_no_score(void **state)
{
	static const enum mg_codec none[] = {
	    MG_CODEC_OTHER, MG_CODEC_EVENT, MG_CODEC_NOISE};
	struct mg_hearing h;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		h = hearing(none[i], 0);
		assert_int_equal(mg_mos(&h), 0);
	}
	h = hearing(MG_CODEC_PCMU, 0);
	assert_int_equal(mg_mos(&h), 441);
	h = hearing(MG_CODEC_G729, 0);
	assert_int_equal(mg_mos(&h), 410);
	h = hearing(MG_CODEC_PCMU, 1);
	assert_in_range(mg_mos(&h), 100, 130);
}

static void
codecs_are_found_by_name(void **state)
{
	(void)state;
	assert_int_equal(mg_codec_find("pcma", 4), MG_CODEC_PCMA);
	assert_int_equal(mg_codec_find("G729", 4), MG_CODEC_G729);
	assert_int_equal(mg_codec_find("opus", 4), MG_CODEC_OPUS);
	assert_int_equal(mg_codec_find("telephone-event", 15), MG_CODEC_EVENT);
	assert_int_equal(mg_codec_find("iLBC", 4), MG_CODEC_OTHER);
	assert_int_equal(mg_codec_find("", 0), MG_CODEC_OTHER);
	assert_string_equal(mg_codec_name(MG_CODEC_PCMU), "PCMU");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ratings_mean_what_the_table_says),
	    cmocka_unit_test(codecs_cost_what_they_cost),
	    cmocka_unit_test(loss_costs_by_robustness),
	    cmocka_unit_test(delay_costs_late_and_much),
	    cmocka_unit_test(jitter_is_delay),
	    cmocka_unit_test(what_has_no_rule_has_no_score),
	    cmocka_unit_test(codecs_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

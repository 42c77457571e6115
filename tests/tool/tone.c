/*
 * Tones in WAV files (RIFF, 16 bit PCM, one channel): makes them for a phone
 * to play and finds them in what another phone has recorded.
 *   tone make FILE HZ SECONDS
 *   tone share FILE HZ      prints the part of the energy, 0..100, that lies
 *                           at HZ in the loudest half of the 100 ms blocks
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TONE_RATE 8000
#define TONE_LEVEL 12000.0
#define TONE_BLOCKS 100000

struct wav {
	int16_t *samples;
	size_t n;
	uint32_t rate;
};

static void
put32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
	p[2] = (unsigned char)(v >> 16);
	p[3] = (unsigned char)(v >> 24);
}

static uint32_t
get32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static int
tone_make(const char *path, double hz, double seconds)
{
	unsigned char head[44] = "RIFF....WAVEfmt ";
	size_t n = (size_t)(seconds * TONE_RATE), i;
	FILE *f = fopen(path, "wb");
	int16_t s;

	if (f == NULL) {
		perror(path);
		return 1;
	}
	put32(head + 4, (uint32_t)(36 + 2 * n));
	put32(head + 16, 16);
	head[20] = 1; /* PCM */
	head[22] = 1; /* channels */
	put32(head + 24, TONE_RATE);
	put32(head + 28, 2 * TONE_RATE);
	head[32] = 2;  /* bytes a frame */
	head[34] = 16; /* bits a sample */
	memcpy(head + 36, "data", 4);
	put32(head + 40, (uint32_t)(2 * n));
	fwrite(head, 1, sizeof head, f);
	for (i = 0; i < n; i++) {
		s = (int16_t)(TONE_LEVEL *
		    sin(2 * M_PI * hz * (double)i / TONE_RATE));
		fwrite(&s, sizeof s, 1, f);
	}
	return fclose(f) != 0;
}

/* The samples of the data chunk, as long as the file says they are. */
static int
tone_read(struct wav *w, const char *path)
{
	unsigned char head[44];
	FILE *f = fopen(path, "rb");
	long size;

	if (f == NULL || fread(head, 1, sizeof head, f) != sizeof head ||
	    memcmp(head, "RIFF", 4) != 0 || fseek(f, 0, SEEK_END) != 0 ||
	    (size = ftell(f)) < 44) {
		fprintf(stderr, "%s: no WAV file\n", path);
		return 1;
	}
	w->rate = get32(head + 24);
	w->n = (size_t)(size - 44) / 2;
	w->samples = calloc(w->n + 1, 2);
	fseek(f, 44, SEEK_SET);
	w->n = fread(w->samples, 2, w->n, f);
	fclose(f);
	return 0;
}

/* Energy at one frequency and in all of a block (Goertzel's algorithm). */
static void
tone_block(
    const int16_t *s, size_t n, double hz, double rate, double *at, double *all)
{
	double c = 2 * cos(2 * M_PI * hz / rate), a = 0, b = 0, t;
	size_t i;

	*all = 0;
	for (i = 0; i < n; i++) {
		t = s[i] + c * a - b;
		b = a;
		a = t;
		*all += (double)s[i] * s[i];
	}
	*at = (a * a + b * b - c * a * b) * 2 / (double)n;
}

static int
tone_by_energy(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/* Each block is a pair (energy, energy at the tone); the loud half counts, so
 * that silence before the answer does not. */
static int
tone_share(const char *path, double hz)
{
	static double blocks[TONE_BLOCKS][2];
	struct wav w;
	size_t size, n = 0, i;
	double at = 0, all = 0;

	if (tone_read(&w, path) != 0)
		return 1;
	size = w.rate / 10;
	for (i = 0; i + size <= w.n && n < TONE_BLOCKS; i += size, n++)
		tone_block(w.samples + i, size, hz, w.rate, &blocks[n][1],
		    &blocks[n][0]);
	qsort(blocks, n, sizeof blocks[0], tone_by_energy);
	for (i = 0; i < (n + 1) / 2; i++) {
		all += blocks[i][0];
		at += blocks[i][1];
	}
	printf("%d\n", all > 0 ? (int)(100 * at / all) : 0);
	free(w.samples);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "make") == 0)
		return tone_make(argv[2], atof(argv[3]), atof(argv[4]));
	if (argc == 4 && strcmp(argv[1], "share") == 0)
		return tone_share(argv[2], atof(argv[3]));
	fprintf(stderr, "usage: tone make FILE HZ SECONDS | share FILE HZ\n");
	return 2;
}

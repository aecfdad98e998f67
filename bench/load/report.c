/*
 * bench/load/report.c: what was measured, as text or as one JSON object.
 */
#include "load.h"

#include <stdio.h>

static const struct {
    const char *name, *title;
    double share;
} quantiles[] = {
    {"p50", "50 %", 0.5}, {"p90", "90 %", 0.9}, {"p99", "99 %", 0.99}, {"p999", "99.9 %", 0.999}};

enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

static double seconds(const struct load *load)
{
    return (double)(load->measured_to - load->measured_from) / 1e9;
}

static double per_second(const struct load *load)
{
    return seconds(load) > 0 ? (double)load->counts.requests / seconds(load) : 0;
}

static double us_at(const struct load *load, double share)
{
    return (double)histogram_at(&load->counts.latency, share) / 1e3;
}

static double server_us(const struct load *load)
{
    return load->server_cpu_seconds * 1e6 / (double)load->counts.requests;
}

void report_text(const struct load *load)
{
    const struct options *options = load->options;
    const struct counts *counts = &load->counts;
    printf("%s: %zu connections, %.3f s\n", options->url, options->connections, seconds(load));
    if (options->idle)
        printf("  idle        %zu open, %llu lost\n", load->resting,
               (unsigned long long)load->idle_lost);
    if (options->connections) {
        printf("  requests    %llu, %.1f a second, %.1f MiB received\n",
               (unsigned long long)counts->requests, per_second(load),
               (double)counts->bytes / (1 << 20));
        printf("  errors      %llu, and %llu failed connects; %llu unanswered at the end\n",
               (unsigned long long)counts->errors, (unsigned long long)counts->connect_errors,
               (unsigned long long)unanswered(load));
        if (options->timeout > 0 || counts->shed)
            printf("  shed        %llu answered 503, %llu given up\n",
                   (unsigned long long)counts->shed, (unsigned long long)counts->expired);
        printf("  latency    ");
        for (int i = 0; i < QUANTILES; i++)
            printf(" %s %.1f us,", quantiles[i].title, us_at(load, quantiles[i].share));
        printf(" max %.1f us, mean %.1f us\n", (double)counts->latency.max / 1e3,
               histogram_mean(&counts->latency) / 1e3);
    }
    if (options->server_pid_count) {
        printf("  server CPU  %.3f s", load->server_cpu_seconds);
        if (counts->requests) printf(", %.3f us a request", server_us(load));
        printf("\n");
    }
    printf("  load's CPU  %.3f s, %.0f %% of the time\n", load->cpu_seconds,
           seconds(load) > 0 ? load->cpu_seconds / seconds(load) * 100 : 0);
}

/* A string between quotes; the URL is the only one that isn't ours. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') putchar('\\');
        if (c >= ' ') putchar(c);
        if (c < ' ') printf("\\u%04x", c);
    }
    putchar('"');
}

static void print_latency(const struct histogram *latency)
{
    printf("\"latency_us\": {");
    for (int i = 0; i < QUANTILES; i++)
        printf("\"%s\": %.3f, ", quantiles[i].name,
               (double)histogram_at(latency, quantiles[i].share) / 1e3);
    printf("\"max\": %.3f, \"mean\": %.3f}, ", (double)latency->max / 1e3,
           histogram_mean(latency) / 1e3);
}

void report_json(const struct load *load)
{
    static const char *const modes[] = {"http", "ws", "udp"};
    const struct options *options = load->options;
    const struct counts *counts = &load->counts;
    printf("{\"url\": ");
    print_string(options->url);
    printf(", \"mode\": \"%s\", \"connections\": %zu, \"pipeline\": %zu, \"rate\": %.10g, ",
           modes[options->mode], options->connections, options->pipeline, options->rate);
    printf("\"requests\": %llu, \"errors\": %llu, \"connect_errors\": %llu, \"unanswered\": %llu, ",
           (unsigned long long)counts->requests, (unsigned long long)counts->errors,
           (unsigned long long)counts->connect_errors, (unsigned long long)unanswered(load));
    printf("\"shed\": %llu, \"expired\": %llu, ", (unsigned long long)counts->shed,
           (unsigned long long)counts->expired);
    printf("\"seconds\": %.6f, \"bytes\": %llu, \"requests_per_second\": %.3f, ", seconds(load),
           (unsigned long long)counts->bytes, per_second(load));
    if (counts->requests) {
        print_latency(&counts->latency);
    } else {
        printf("\"latency_us\": null, ");
    }
    printf("\"cpu_seconds\": %.6f, \"cpu_share\": %.4f, ", load->cpu_seconds,
           seconds(load) > 0 ? load->cpu_seconds / seconds(load) : 0);
    if (options->server_pid_count) {
        printf("\"server_cpu_seconds\": %.6f, ", load->server_cpu_seconds);
        if (counts->requests) printf("\"server_cpu_us_per_request\": %.4f, ", server_us(load));
    }
    printf("\"idle\": %zu, \"idle_lost\": %llu}\n", load->resting,
           (unsigned long long)load->idle_lost);
}

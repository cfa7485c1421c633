#include "svg.h"

#include <math.h>

#define FONT                                                                   \
    "Inter, 'Helvetica Neue', 'Segoe UI', Arial, 'Noto Sans', 'PingFang SC', " \
    "'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', sans-serif"

static void escaped(FILE *out, const char *text)
{
    for (; *text != 0; text++) {
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*text, out);
        }
    }
}

void svg_begin(FILE *out, double width, double height, const char *language, const char *title)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
            "width=\"%.0f\" height=\"%.0f\" role=\"img\" xml:lang=\"%s\">\n<title>",
            width, height, width, height, language);
    escaped(out, title);
    fputs("</title>\n<style>\n"
          "text { font-family: " FONT "; fill: #1f2630; font-size: 14px; }\n"
          ".title { font-size: 22px; font-weight: 600; }\n"
          ".under { font-size: 14px; fill: #6b7480; }\n"
          ".name { font-size: 17px; font-weight: 600; }\n"
          ".address { font-size: 12px; fill: #6b7480; }\n"
          ".time { font-size: 12px; fill: #8a94a1; font-variant-numeric: tabular-nums; }\n"
          ".pill { font-size: 11.5px; font-weight: 600; fill: #fff; letter-spacing: 0.3px; }\n"
          ".act { font-size: 13px; font-style: normal; fill: #333a44; }\n"
          ".bad { font-size: 13px; fill: #c62828; }\n"
          ".flags { font-size: 13px; font-weight: 600; }\n"
          ".numbers { font-size: 12px; fill: #4a525d; }\n"
          ".options { font-size: 11px; fill: #7b8490; }\n"
          ".flags, .numbers, .options { paint-order: stroke; stroke: #fff; stroke-width: 3px; }\n"
          ".note { font-size: 13.5px; fill: #2b323c; }\n"
          ".pause { font-size: 13px; fill: #8a94a1; }\n"
          ".legend { font-size: 12px; fill: #6b7480; }\n"
          "</style>\n",
          out);
    fprintf(out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", width, height);
}

void svg_line(FILE *out, double x0, double y0, double x1, double y1, const char *ink, double width,
              const char *dash)
{
    fprintf(out,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
            "stroke-width=\"%.1f\" stroke-linecap=\"round\"",
            x0, y0, x1, y1, ink, width);
    if (*dash != 0) fprintf(out, " stroke-dasharray=\"%s\"", dash);
    fputs("/>\n", out);
}

void svg_text(FILE *out, double x, double y, const char *class, const char *anchor,
              const char *text)
{
    if (*text == 0) return;
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class,
            anchor);
    escaped(out, text);
    fputs("</text>\n", out);
}

void svg_pill(FILE *out, double x, double y, double width, double height, const char *ink)
{
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\" "
            "fill=\"%s\"/>\n",
            x, y, width, height, height / 2, ink);
}

void svg_dot(FILE *out, double x, double y, const char *ink)
{
    fprintf(out,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#fff\" stroke=\"%s\" "
            "stroke-width=\"2\"/>\n",
            x, y, ink);
}

void svg_head(FILE *out, double x, double y, double angle, const char *ink)
{
    double a = angle - 0.38, b = angle + 0.38;
    fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\" fill=\"%s\"/>\n", x, y,
            x - 12 * cos(a), y - 12 * sin(a), x - 12 * cos(b), y - 12 * sin(b), ink);
}

void svg_turn(FILE *out, double x, double y, double degrees)
{
    fprintf(out, "<g transform=\"translate(%.1f %.1f) rotate(%.2f)\">\n", x, y, degrees);
}

void svg_end(FILE *out)
{
    fputs("</g>\n", out);
}
